import { directiveDefinitions, readRules } from '@continuum-billing/limits/core';
import { buildSchema, GraphQLEnumType, type GraphQLSchema, printType } from 'graphql';
import { describe, expect, it } from 'vitest';

const FEATURES = ['FEDERATION', 'SEMANTIC_SEARCH'];
const featureType = new GraphQLEnumType({
  name: 'Feature',
  values: Object.fromEntries(FEATURES.map((name) => [name, {}])),
});

const PUBLIC = { kind: 'public' } as const;

/** A schema with the project's own directives; each root field is public unless it is in `unguarded`. */
function schemaOf(sdl: string, unguarded: string[] = []): GraphQLSchema {
  const directives = directiveDefinitions(featureType).map((directive) => {
    const args = directive.args.map(
      ({ name, type, defaultValue }) =>
        `${name}: ${type}${defaultValue === undefined ? '' : ` = ${JSON.stringify(defaultValue)}`}`,
    );
    return `directive @${directive.name}(${args.join(', ')}) on ${directive.locations.join(' | ')}`;
  });
  const schema = buildSchema([...directives, printType(featureType), sdl].join('\n'));
  for (const root of [schema.getQueryType(), schema.getMutationType()]) {
    for (const field of Object.values(root?.getFields() ?? {}))
      if (!unguarded.includes(field.name)) field.extensions = { access: PUBLIC };
  }
  return schema;
}

/** The lines of the error that tell a fault. */
function faultsOf(sdl: string, unguarded?: string[]): string[] {
  const schema = schemaOf(sdl, unguarded);
  try {
    readRules(schema);
  } catch (error) {
    return (error as Error).message
      .split('\n')
      .filter((line) => line.startsWith('  - '))
      .map((line) => line.slice(4));
  }
  return [];
}

describe('the rules of a schema', () => {
  it('hold what each directive says, with its defaults', () => {
    const rules = readRules(
      schemaOf(`
        type Query {
          free: Int
          one: Int @rateLimited
          five(input: Int): Int @rateLimited(cost: 5, max: 3, window: "10s") @requiresFeature(feature: FEDERATION)
          store(input: Int, items: [Int]): Int @storageQuota
          storeItems(input: Int, items: [Int]): Int @storageQuota(arg: "items")
          costsNothing: Int @rateLimited(cost: 0, max: 10000, window: "31d")
        }`),
    );
    const nothing = {
      cost: null,
      fieldLimits: [],
      features: [],
      storageArg: null,
      storedResource: null,
      access: PUBLIC,
      check: null,
      oneByOne: null,
    };
    expect(Object.fromEntries(rules)).toEqual({
      'Query.free': { ...nothing, coordinate: 'Query.free' },
      'Query.one': { ...nothing, coordinate: 'Query.one', cost: 1 },
      'Query.five': {
        ...nothing,
        coordinate: 'Query.five',
        cost: 5,
        fieldLimits: [{ field: 'Query.five', max: 3, window: '10s' }],
        features: ['FEDERATION'],
      },
      'Query.store': { ...nothing, coordinate: 'Query.store', storageArg: 'input' },
      'Query.storeItems': { ...nothing, coordinate: 'Query.storeItems', storageArg: 'items' },
      'Query.costsNothing': {
        ...nothing,
        coordinate: 'Query.costsNothing',
        cost: 0,
        fieldLimits: [{ field: 'Query.costsNothing', max: 10_000, window: '31d' }],
      },
    });
  });

  it('hold nested fields that ask something, and no others', () => {
    const rules = readRules(
      schemaOf('type Query { a: A }  type A { plain: Int  dear: Int @rateLimited(cost: 7) }'),
    );
    expect([...rules.keys()].sort()).toEqual(['A.dear', 'Query.a']);
    expect(rules.get('A.dear')?.access).toBeNull();
  });

  it('give a type’s feature to each of its fields, beside the field’s own', () => {
    const rules = readRules(
      schemaOf(`type Query { a: A }
        type A @requiresFeature(feature: FEDERATION) { x: Int  y: Int @requiresFeature(feature: SEMANTIC_SEARCH) }`),
    );
    expect(rules.get('A.x')?.features).toEqual(['FEDERATION']);
    expect(rules.get('A.y')?.features).toEqual(['FEDERATION', 'SEMANTIC_SEARCH']);
  });
});

describe('a directive that makes no sense stops the start', () => {
  it.each([
    ['a negative cost', '@rateLimited(cost: -1)', /rateLimited: cost must be .*not -1/],
    ['a cost past a million', '@rateLimited(cost: 1000001)', /rateLimited: cost must be/],
    ['max without window', '@rateLimited(max: 5)', /rateLimited: max and window go together/],
    ['window without max', '@rateLimited(window: "1m")', /rateLimited: max and window go together/],
    ['max of 0', '@rateLimited(max: 0, window: "1m")', /rateLimited: max must be .*not 0/],
    ['a negative max', '@rateLimited(max: -5, window: "1m")', /rateLimited: max must be .*not -5/],
    ['max past 10,000', '@rateLimited(max: 10001, window: "1m")', /rateLimited: max must be/],
    ['a window of words', '@rateLimited(max: 5, window: "soon")', /rateLimited: window .*"soon"/],
    ['an empty window', '@rateLimited(max: 5, window: "")', /rateLimited: window .*""/],
    ['a window of 0', '@rateLimited(max: 5, window: "0s")', /rateLimited: window .*"0s"/],
    ['a negative window', '@rateLimited(max: 5, window: "-1m")', /rateLimited: window .*"-1m"/],
    ['a window past 31 days', '@rateLimited(max: 5, window: "32d")', /rateLimited: window .*"32d"/],
    ['an unknown unit', '@rateLimited(max: 5, window: "5 fortnights")', /rateLimited: window/],
    ['storage of no argument', '@storageQuota(arg: "memory")', /storageQuota: .*no argument "memory"/],
    ['an unknown feature', '@requiresFeature(feature: TELEPATHY)', /TELEPATHY/],
  ])('%s', (_, directive, fault) => {
    const faults = faultsOf(`type Query { ok: Int  wrong(input: Int): Int ${directive} }`);
    expect(faults).toEqual([expect.stringMatching(fault)]);
    expect(faults[0]?.startsWith('Query.wrong')).toBe(true);
  });

  it('storage below a root field: how often it is executed is not known', () => {
    expect(faultsOf('type Query { a: A }  type A { keep(input: Int): Int @storageQuota }')).toEqual([
      'A.keep @storageQuota: only a field of Query, Mutation or Subscription can store',
    ]);
  });

  it('on a field whose name is too long to be counted', () => {
    const name = 'a'.repeat(100);
    expect(faultsOf(`type Query { ${name}: Int @rateLimited  ${name}a: Int @rateLimited(cost: 0) }`)).toEqual(
      [`Query.${name} @rateLimited: "Type.field" is counted by its name, of at most 100 characters`],
    );
  });

  it('an argument that only a definition of the schema’s own has', () => {
    const schema = buildSchema(
      'directive @rateLimited(costs: Int) on FIELD_DEFINITION  type Query { a: Int @rateLimited(costs: 5) }',
    );
    expect(() => readRules(schema, { needAccess: false })).toThrow(
      'Query.a @rateLimited: has no argument "costs": only cost, max, window',
    );
  });

  it('a root field without an access decorator', () => {
    const faults = faultsOf('type Query { open: Int  a: Int }  type Mutation { b: Int }', ['a', 'b']);
    expect(faults).toEqual([
      expect.stringMatching(/^Query\.a has no access decorator: add @PublicAccess/),
      expect.stringMatching(/^Mutation\.b has no access decorator/),
    ]);
  });

  it('and all errors of all types are listed at once, each with its field', () => {
    const faults = faultsOf(
      `type Query {
        a: A @rateLimited(cost: -1)
        b: Int @rateLimited(max: 1)
        c: Int @storageQuota
        d: Int @requiresFeature(feature: TELEPATHY)
        e: Int
      }
      type A { f: Int @rateLimited(max: 0, window: "never") }`,
      ['e'],
    );
    expect(faults.map((fault) => fault.split(/[ :]/, 1)[0]).sort()).toEqual([
      'A.f',
      'A.f',
      'Query.a',
      'Query.b',
      'Query.c',
      'Query.d',
      'Query.e',
    ]);
  });
});
