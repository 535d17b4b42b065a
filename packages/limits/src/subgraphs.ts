import type { GraphQLSchema } from 'graphql';

/** Whether a gateway is who asks: a status other than 200 would be a broken subgraph to it. */
export const isSubgraph = (schema: GraphQLSchema): boolean =>
  schema.getQueryType()?.getFields()._service !== undefined;
