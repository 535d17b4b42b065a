import { printSchemaWithDirectives } from '@graphql-tools/utils';
import { type GraphQLSchema, lexicographicSortSchema, parse, print } from 'graphql';

/** The schema as text, directives included, in a stable order. Roots that bear the usual names are left out. */
export const printTypes = (schema: GraphQLSchema): string =>
  printSchemaWithDirectives(lexicographicSortSchema(schema));

/** The schema as text, directives and roots included. */
export function printSchema(schema: GraphQLSchema): string {
  const text = printTypes(schema);
  // The roots have to be told: a type here is named Subscription.
  const withRoots = text.includes('schema {')
    ? text
    : `schema {\n  query: Query\n  mutation: Mutation\n}\n\n${text}`;
  return `${print(parse(withRoots))}\n`;
}
