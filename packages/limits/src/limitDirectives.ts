import { type DocumentNode, GraphQLScalarType, GraphQLSchema, parse, printSchema } from 'graphql';
import { directiveDefinitions } from './analysis/definitions.js';

/** Each catalogue has features of its own, so their names are checked when limits are enforced, not by graphql. */
const TierFeature = new GraphQLScalarType({
  name: 'TierFeature',
  description: 'A feature of a tier, such as SEMANTIC_SEARCH, written as an enum value or as a string.',
});

/** The definitions of `@rateLimited`, `@requiresFeature` and `@storageQuota` in SDL, to be added to your own schema. */
export const limitDirectivesSdl: string = `${printSchema(
  new GraphQLSchema({ directives: directiveDefinitions(TierFeature) }),
)}\n`;

/** The same definitions as a document. */
export const limitDirectives: DocumentNode = parse(limitDirectivesSdl, { noLocation: true });
