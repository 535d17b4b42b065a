import { printSchemaWithDirectives } from '@graphql-tools/utils';
import { type GraphQLSchema, lexicographicSortSchema, parse, print } from 'graphql';

/** The schema as text in a stable order, including directives. Root types with the default names are omitted. */
export const printTypes = (schema: GraphQLSchema): string =>
  printSchemaWithDirectives(lexicographicSortSchema(schema));

/** The schema as text, including directives and root types. */
export function printSchema(schema: GraphQLSchema): string {
  const text = printTypes(schema);
  // The root types must be explicit: without them the type Subscription would become the subscription root.
  const withRoots = text.includes('schema {')
    ? text
    : `schema {\n  query: Query\n  mutation: Mutation\n}\n\n${text}`;
  return `${print(parse(withRoots))}\n`;
}
