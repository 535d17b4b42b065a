import { directiveDefinitions } from '@continuum-billing/limits/core';
import { MapperKind, mapSchema } from '@graphql-tools/utils';
import {
  GraphQLEnumType,
  type GraphQLObjectType,
  GraphQLSchema,
  getNullableType,
  specifiedDirectives,
  validateSchema,
} from 'graphql';
import { buildSchemaSync, type NonEmptyArray } from 'type-graphql';
import type { Config } from '../config/config.js';
import type { Subscribe } from '../directives/subscribes.js';
import { COST_DIRECTIVES } from './costDirectives.js';
import { withOperationCosts } from './operationCosts.js';
import { Realtime } from './realtime.js';
import { withoutSampleDomain } from './sampleDomain.js';
import { DateTimeScalar } from './scalars.js';

/**
 * Builds the schema. The values of its enums `TierName` and `Feature` come from the catalogue.
 * @param options.sampleDomain whether it has the sample domain
 * @throws an error that lists everything that is wrong with the schema
 */
export function buildSchema(
  resolvers: NonEmptyArray<new () => object>,
  { catalogue, sampleDomain }: Pick<Config, 'catalogue' | 'sampleDomain'>,
): GraphQLSchema {
  const built = buildSchemaSync({
    resolvers,
    orphanedTypes: [Realtime],
    // Arguments are validated before anything is charged: see argumentValidation.ts.
    validate: false,
    scalarsMap: [{ type: Date, scalar: DateTimeScalar }],
    // The directives are defined below, because their definitions contain the catalogue's features.
    skipCheck: true,
  });
  const values: Record<string, string[]> = {
    TierName: catalogue.tiers.map(({ name }) => name),
    Feature: catalogue.features,
  };
  const ofCatalogue = mapSchema(withOperationCosts(built), {
    [MapperKind.ENUM_TYPE]: (type) => {
      const names = values[type.name];
      if (!names) return type;
      const config = Object.fromEntries(names.map((name) => [name, { value: name }]));
      return new GraphQLEnumType({ ...type.toConfig(), values: config });
    },
    // A non-null field that fails would also remove the results of the mutations before it.
    [MapperKind.MUTATION_ROOT_FIELD]: (field) => ({ ...field, type: getNullableType(field.type) }),
  });
  const features = ofCatalogue.getType('Feature') as GraphQLEnumType;
  const whole = new GraphQLSchema({
    ...ofCatalogue.toConfig(),
    subscription: subscriptionRoot(ofCatalogue),
    directives: [...specifiedDirectives, ...directiveDefinitions(features), ...COST_DIRECTIVES],
  });
  const schema = sampleDomain ? whole : withoutSampleDomain(whole);
  const errors = validateSchema(schema);
  if (errors.length > 0)
    throw new Error(`The schema is not valid:\n${errors.map(({ message }) => message).join('\n')}`);
  return schema;
}

/** Attaches the functions that open the events of its fields. */
function subscriptionRoot(schema: GraphQLSchema): GraphQLObjectType {
  const root = schema.getType(Realtime.name) as GraphQLObjectType;
  for (const field of Object.values(root.getFields())) {
    const subscribe = field.extensions.subscribe as Subscribe<unknown, unknown>;
    field.subscribe = (_root, args, context, info) => subscribe(args, context, info);
  }
  return root;
}
