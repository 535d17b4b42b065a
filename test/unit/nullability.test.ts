import {
  defaultFieldResolver,
  type GraphQLField,
  type GraphQLObjectType,
  getNamedType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import { expect, it } from 'vitest';
import defaultCatalogue from '../../catalogue.json' with { type: 'json' };
import { parseCatalogue } from '../../src/catalogue/catalogue.js';
import { resolvers } from '../../src/resolvers/resolvers.js';
import { buildSchema } from '../../src/schema/buildSchema.js';

const schema = buildSchema([...resolvers], {
  catalogue: parseCatalogue(defaultCatalogue),
  sampleDomain: true,
});
const objectTypes = Object.values(schema.getTypeMap())
  .filter(isObjectType)
  .filter(({ name }) => !name.startsWith('__'));
const fieldsOf = (type: GraphQLObjectType) => Object.values(type.getFields());

/** Fields whose failure makes the whole object null. */
function failing(type: GraphQLObjectType, seen: ReadonlySet<string> = new Set()): string[] {
  if (seen.has(type.name)) return [];
  return fieldsOf(type)
    .filter((field) => isNonNullType(field.type))
    .flatMap((field) => [
      ...(reads(field) ? [`${type.name}.${field.name}`] : []),
      ...below(field).flatMap((inner) => failing(inner, new Set([...seen, type.name]))),
    ]);
}

const below = (field: GraphQLField<unknown, unknown>): GraphQLObjectType[] => {
  const type = getNamedType(field.type);
  return isObjectType(type) ? [type] : [];
};

const simple = new Set<unknown>([undefined, defaultFieldResolver]);
/** type-graphql gives a field with a method of its own a resolver with the name of neither. */
const reads = ({ resolve, args }: GraphQLField<unknown, unknown>) =>
  args.length > 0 || !(simple.has(resolve) || resolve?.toString().includes('root[') === true);

it('every root field of Mutation is nullable: one that fails takes no other with it', () => {
  const fields = fieldsOf(schema.getMutationType() as GraphQLObjectType);
  expect(fields.length).toBeGreaterThan(20);
  expect(fields.filter(({ type }) => isNonNullType(type)).map(({ name }) => name)).toEqual([]);
});

it('nothing that can fail is selected beside a secret, unless it may be null', () => {
  const withSecrets = objectTypes.filter(
    ({ name }) =>
      !['Query', 'Mutation'].includes(name) &&
      fieldsOf(schema.getType(name) as GraphQLObjectType).some((field) => field.name === 'secret'),
  );
  expect(withSecrets.map(({ name }) => name).sort()).toEqual([
    'NewApiKey',
    'NewOperatorKey',
    'NewTenantKey',
    'NewWebhookEndpoint',
  ]);
  const holders = objectTypes.filter(
    (type) =>
      withSecrets.includes(type) ||
      (type.name !== 'Mutation' &&
        fieldsOf(type).some((field) => withSecrets.includes(getNamedType(field.type) as GraphQLObjectType))),
  );
  expect(holders.flatMap((type) => failing(type))).toEqual([]);
  // The search finds what would fail.
  expect(failing(schema.getType('Tenant') as GraphQLObjectType)).toContain('Tenant.usage');
});
