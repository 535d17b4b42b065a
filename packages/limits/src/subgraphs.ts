import type { GraphQLSchema } from 'graphql';

/** Whether the schema is a subgraph. Its client is a gateway, which takes a status other than 200 for a broken subgraph. */
export const isSubgraph = (schema: GraphQLSchema): boolean =>
  schema.getQueryType()?.getFields()._service !== undefined;
