import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { composeServices } from '@apollo/composition';
import { readRules } from '@continuum-billing/limits/core';
import {
  coerceInputValue,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLSchema,
  graphql,
  isEnumType,
  isInputObjectType,
  isObjectType,
  isScalarType,
  parse,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/config.js';
import { entitiesOf } from '../../src/resolvers/entities.js';
import { resolvers } from '../../src/resolvers/resolvers.js';
import { buildSchema } from '../../src/schema/buildSchema.js';
import { buildSubgraph } from '../../src/schema/subgraph.js';

/** The root of subscriptions and what only it returns: gateways pass on queries and mutations. */
const ONLY_LIVE = ['Realtime', 'MemoryChange', 'MemoryChangeKind'];
const NAMES = { typePrefix: 'Billing', fieldPrefix: '' };
const plain = buildSchema([...resolvers], readConfig({}));
const rules = readRules(plain);
const subgraph = buildSubgraph(plain, rules, entitiesOf({ sampleDomain: true }), NAMES);

function compose(sdl: string): string {
  const { errors, supergraphSdl, hints } = composeServices([
    { name: 'billing', url: 'http://billing', typeDefs: parse(sdl) },
  ]);
  expect(errors).toBeUndefined();
  expect(hints).toEqual([]);
  return supergraphSdl as string;
}

describe('the names', () => {
  it('are prefixed for every type, enum and input; roots and scalars keep theirs', () => {
    for (const type of Object.values(plain.getTypeMap())) {
      if (type.name.startsWith('__') || ONLY_LIVE.includes(type.name)) continue;
      const isKept = isScalarType(type) || type === plain.getQueryType() || type === plain.getMutationType();
      expect(subgraph.schema.getType(isKept ? type.name : `Billing${type.name}`)?.constructor.name).toBe(
        type.constructor.name,
      );
    }
    expect(subgraph.schema.getType('Subscription')).toBeUndefined();
    expect(subgraph.schema.getSubscriptionType()).toBeUndefined();
    for (const name of ONLY_LIVE) {
      expect(plain.getType(name)).toBeDefined();
      expect(subgraph.schema.getType(`Billing${name}`)).toBeUndefined();
    }
  });

  it.each([
    ['billing_', 'billing_tiers'],
    ['billing', 'billingTiers'],
    ['', 'tiers'],
  ])('of root fields get the prefix "%s"', (fieldPrefix, name) => {
    const { schema, rules: renamed } = buildSubgraph(plain, rules, entitiesOf({ sampleDomain: true }), {
      ...NAMES,
      fieldPrefix,
    });
    expect(schema.getQueryType()?.getFields()).toHaveProperty(name);
    expect(renamed.get(`Query.${name}`)).toBe(rules.get('Query.tiers'));
    // Federation's own fields keep their names.
    expect(schema.getQueryType()?.getFields()).toHaveProperty('_entities');
  });

  it('change no rule: limits of a field are counted together, whichever way it is called', () => {
    expect([...subgraph.rules.values()]).toEqual([...rules.values()]);
    expect(subgraph.rules.get('Mutation.createApiKey')?.fieldLimits[0]?.field).toBe('Mutation.createApiKey');
  });
});

describe('what the printed schema cannot say', () => {
  it('defaults and the values behind enums are those of the plain schema', () => {
    expect(defaultsOf(subgraph.schema)).toEqual(
      Object.fromEntries(
        Object.entries(defaultsOf(plain))
          .filter(([name]) => !name.startsWith('Realtime.'))
          .map(([name, value]) => [prefixed(name), value]),
      ),
    );
    for (const type of Object.values(plain.getTypeMap())) {
      if (!isEnumType(type) || /^__|^MemoryChangeKind$/.test(type.name)) continue;
      const here = subgraph.schema.getType(`Billing${type.name}`);
      if (!isEnumType(here)) throw new Error(`${type.name} is lost`);
      expect(valuesOf(here)).toEqual(valuesOf(type));
    }
  });

  const valuesOf = (type: { getValues(): readonly { name: string; value: unknown }[] }) =>
    Object.fromEntries(type.getValues().map(({ name, value }) => [name, value]));
  const prefixed = (name: string) => (/^(Query|Mutation)\./.test(name) ? name : `Billing${name}`);

  function defaultsOf(schema: GraphQLSchema): Record<string, unknown> {
    const defaults: Record<string, unknown> = {};
    const note = (path: string, { name, type, defaultValue }: GraphQLArgument | GraphQLInputField) => {
      if (defaultValue === undefined) return;
      // An object of a schema that was read from a text has the defaults of its fields filled in.
      const isObject = typeof defaultValue === 'object';
      defaults[`${path}.${name}`] = isObject ? coerceInputValue(defaultValue, type) : defaultValue;
    };
    for (const type of Object.values(schema.getTypeMap())) {
      if (type.name.startsWith('__')) continue;
      if (isInputObjectType(type))
        for (const field of Object.values(type.getFields())) note(type.name, field);
      if (!isObjectType(type)) continue;
      for (const field of Object.values(type.getFields()))
        for (const arg of field.args) note(`${type.name}.${field.name}`, arg);
    }
    return defaults;
  }
});

describe('the supergraph', () => {
  it('has the three directives where they were, under our specification', () => {
    const supergraph = compose(subgraph.sdl);
    expect(supergraph).toMatch(/@link\(url: "https:\/\/specs\.continuum-billing\.dev\/limits\/v1\.0"/);
    expect(supergraph).toMatch(
      /storeMemory\(.*\): BillingMemory @rateLimited\(cost: 1\) @storageQuota\(arg: "input"\)/,
    );
    expect(supergraph).toMatch(
      /shareMemory\(.*\): BillingMemory @rateLimited\(cost: 1\) @requiresFeature\(feature: FEDERATION\)/,
    );
    expect(supergraph).toContain(
      'directive @requiresFeature(feature: BillingFeature!) on FIELD_DEFINITION | OBJECT',
    );
  });

  it('keeps the costs, for routers that bound operations by them', () => {
    const supergraph = compose(subgraph.sdl);
    expect(supergraph).toMatch(
      /invoices\([^)]*\): BillingInvoiceConnection! (?:@rateLimited\(.*\) )?@cost\(weight: 5000\) @listSize\(/,
    );
    expect(supergraph).toMatch(
      /memories\(.*slicingArguments: \["first"\], sizedFields: \["edges"\], requireOneSlicingArgument: false/s,
    );
  });

  it('has no subscription root, and billing’s subscription as a type', () => {
    const supergraph = compose(subgraph.sdl);
    expect(supergraph).toMatch(/type BillingSubscription\s/);
    expect(supergraph).not.toMatch(/type Subscription\b|subscription:\s*\w+\s*\n\}/);
  });

  it('is composed as well of the SDL that _service returns', async () => {
    const { data } = await graphql({ schema: subgraph.schema, source: '{ _service { sdl } }' });
    expect(compose((data as { _service: { sdl: string } })._service.sdl)).toContain('type BillingTenant');
  });

  it('is composed of the committed subgraph.graphql', () => {
    const committed = readFileSync(join(import.meta.dirname, '../../subgraph.graphql'), 'utf8');
    expect(committed.endsWith(subgraph.sdl)).toBe(true);
    compose(committed);
  });

  it('cannot be composed of the plain schema, with its type Subscription: that is why types are prefixed', () => {
    const sdl = readFileSync(join(import.meta.dirname, '../../schema.graphql'), 'utf8');
    const { errors, supergraphSdl } = composeServices([
      { name: 'plain', url: 'http://plain', typeDefs: parse(sdl) },
    ]);
    expect(supergraphSdl).toBeUndefined();
    expect(errors?.[0]?.message).toContain('has a type named "Subscription"');
  });
});

describe('an entity', () => {
  const refersTo = (field: string) => () =>
    buildSubgraph(
      plain,
      rules,
      [{ type: 'Tenant', key: 'id', rootField: field, resolve: async () => ({}) }],
      NAMES,
    );

  it('that refers to no root field, or to one that counts or stores, stops the start', () => {
    expect(refersTo('Query.nothing')).toThrow(
      'The entity Tenant refers to Query.nothing, which is not a root field',
    );
    expect(refersTo('Mutation.createApiKey')).toThrow('which has a field limit or a storage quota');
    expect(refersTo('Mutation.storeMemory')).toThrow('which has a field limit or a storage quota');
  });
});
