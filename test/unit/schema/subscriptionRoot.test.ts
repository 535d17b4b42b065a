import { printSchemaWithDirectives } from '@graphql-tools/utils';
import {
  buildClientSchema,
  buildSchema as buildSchemaFromText,
  type GraphQLSchema,
  introspectionFromSchema,
  isObjectType,
  lexicographicSortSchema,
  printSchema as printByGraphql,
} from 'graphql';
import { expect, it } from 'vitest';
import defaultCatalogue from '../../../catalogue.json' with { type: 'json' };
import { parseCatalogue } from '../../../src/catalogue/catalogue.js';
import { resolvers } from '../../../src/resolvers/resolvers.js';
import { buildSchema } from '../../../src/schema/buildSchema.js';
import { printSchema } from '../../../src/schema/printSchema.js';

const schema = buildSchema([...resolvers], {
  catalogue: parseCatalogue(defaultCatalogue),
  sampleDomain: true,
});

/** graphql fills in the defaults of the fields of a default value when it parses one. */
const comparable = (text: string) => text.replaceAll(/ = \{[^}\n]*\}/g, ' = {}');

/** The names of the three roots, and that the type Subscription is what a tenant has bought. */
function expectRoots(parsed: GraphQLSchema): void {
  expect(parsed.getQueryType()?.name).toBe('Query');
  expect(parsed.getMutationType()?.name).toBe('Mutation');
  expect(parsed.getSubscriptionType()?.name).toBe('Realtime');
  const bought = parsed.getType('Subscription');
  expect(isObjectType(bought) && Object.keys(bought.getFields())).toContain('stripeSubscriptionId');
}

it('the root of subscriptions is Realtime, and Subscription is what a tenant has bought', () => {
  expectRoots(schema);
  expect(Object.keys(schema.getSubscriptionType()?.getFields() ?? {}).sort()).toEqual([
    'alertRaised',
    'memoryChanged',
    'subscriptionChanged',
    'usageChanged',
  ]);
});

it('our printed schema parses to the same schema, and prints the same again', () => {
  const printed = printSchema(schema);
  expect(printed).toContain('schema {\n  query: Query\n  mutation: Mutation\n  subscription: Realtime\n}');
  const parsed = buildSchemaFromText(printed);
  expectRoots(parsed);
  expect(comparable(printSchema(parsed))).toBe(comparable(printed));
});

it.each([
  ["graphql's printer", printByGraphql],
  ["graphql-tools' printer", printSchemaWithDirectives],
])('what %s prints parses to the same schema', (_name, print) => {
  const sorted = lexicographicSortSchema(schema);
  const printed = print(sorted);
  const parsed = buildSchemaFromText(printed);
  expectRoots(parsed);
  expect(comparable(print(parsed))).toBe(comparable(printed));
});

it('introspection describes the same schema, also after it was printed and parsed', () => {
  const introspected = introspectionFromSchema(schema);
  const client = buildClientSchema(introspected);
  expectRoots(client);
  expect(comparable(printByGraphql(client))).toBe(comparable(printByGraphql(schema)));
  const again = buildSchemaFromText(printByGraphql(client));
  expectRoots(again);
  const sorted = (one: GraphQLSchema) => introspectionFromSchema(lexicographicSortSchema(one));
  expect(sorted(again)).toEqual(sorted(client));
});
