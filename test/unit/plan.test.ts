import {
  createPlanner,
  type EntityRules,
  type FieldRule,
  type OperationPlan,
  planOperation,
  type Rules,
  readRules,
  readWorkWeights,
} from '@continuum-billing/limits/core';
import { buildSchema, getVariableValues, Kind, type OperationDefinitionNode, parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';

const schema = buildSchema(`
  directive @rateLimited(cost: Int! = 1, max: Int, window: String) on FIELD_DEFINITION
  directive @requiresFeature(feature: Feature!) on FIELD_DEFINITION | OBJECT
  directive @storageQuota(arg: String! = "input") on FIELD_DEFINITION
  enum Feature { FEDERATION SEARCH }
  input In { content: String  tags: [String!]  size: Int = 3 }
  type Query {
    free(first: Int = 20): Int
    sized(size: Int! = 3): Int
    one(id: ID): Int @rateLimited
    five: Int @rateLimited(cost: 5)
    many(ids: [ID!]!, more: [Int]): Int @rateLimited(cost: 2)
    search: Int @rateLimited @requiresFeature(feature: SEARCH)
    capped: Int @rateLimited(cost: 0, max: 2, window: "1m")
    node: Node
  }
  type Node { id: ID  dear(ids: [ID!]): Int @rateLimited(cost: 3)  child: Node  shared: Int @requiresFeature(feature: FEDERATION) }
  type Mutation { store(input: In!): Int @rateLimited @storageQuota  storeAll(input: [In!]!): Int @rateLimited @storageQuota }
`);
for (const root of [schema.getQueryType(), schema.getMutationType()]) {
  for (const field of Object.values(root?.getFields() ?? {}))
    field.extensions = { access: { kind: 'public' } };
}
const rules = readRules(schema);

/** Plans a document as the server does: valid, its variables coerced. */
function plan(text: string, given: Record<string, unknown> = {}): OperationPlan {
  const document = parse(text);
  expect(validate(schema, document)).toEqual([]);
  return planParsed(document, given);
}

function planParsed(document: ReturnType<typeof parse>, given: Record<string, unknown> = {}): OperationPlan {
  const operation = document.definitions.find(
    (definition): definition is OperationDefinitionNode => definition.kind === Kind.OPERATION_DEFINITION,
  ) as OperationDefinitionNode;
  const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], given);
  expect(errors).toBeUndefined();
  return planOperation(schema, rules, document, operation, coerced ?? {});
}

const callsOf = (text: string, variables?: Record<string, unknown>) => plan(text, variables).calls;

describe('a plan that is used again', () => {
  const planOf = createPlanner(schema, rules, undefined, readWorkWeights(schema));

  /** Plans a document for each of the variables, as a server does that has parsed it once. */
  function plansOf(text: string, ...given: Record<string, unknown>[]): OperationPlan[] {
    const document = parse(text);
    expect(validate(schema, document)).toEqual([]);
    const operation = document.definitions[0] as OperationDefinitionNode;
    const coerced = given.map(
      (values) => getVariableValues(schema, operation.variableDefinitions ?? [], values).coerced ?? {},
    );
    const plans = coerced.map((variables) => planOf(document, operation, variables));
    const weights = readWorkWeights(schema);
    expect(plans).toEqual(
      coerced.map((variables) =>
        planOperation(schema, rules, document, operation, variables, undefined, weights),
      ),
    );
    return plans;
  }

  it('has the arguments of its own request', () => {
    const [a, b] = plansOf(
      'query ($id: ID, $n: Int) { x: one(id: $id) one(id: "1") ...F } fragment F on Query { x: one(id: $id) free(first: $n) }',
      { id: 'a', n: 1 },
      { id: 'b', n: 2 },
    );
    expect(a?.roots.map(({ args }) => args)).toEqual([{ id: 'a' }, { id: '1' }, { first: 1 }]);
    expect(b?.roots.map(({ args }) => args)).toEqual([{ id: 'b' }, { id: '1' }, { first: 2 }]);
    expect(b?.fields).toBe(a?.fields);
  });

  it('is the same without variables', () => {
    const [a, b] = plansOf('{ many(ids: ["a", "b"]) node { dear(ids: ["a"]) } }', {}, {});
    expect(b).toBe(a);
  });

  it('is made again where values decide what it costs, selects or stores', () => {
    const calls = (text: string, ...given: Record<string, unknown>[]) =>
      plansOf(text, ...given).map((each) => each.calls);
    expect(calls('query ($ids: [ID!]!) { many(ids: $ids) }', { ids: ['a'] }, { ids: ['a', 'b'] })).toEqual([
      2, 4,
    ]);
    expect(calls('query ($id: ID!) { many(ids: [$id, "b"]) }', { id: 'a' })).toEqual([4]);
    expect(
      calls('query ($ids: [ID!]) { node { dear(ids: $ids) } }', { ids: ['a'] }, { ids: ['a', 'b', 'c'] }),
    ).toEqual([3, 9]);
    expect(
      calls('query ($on: Boolean!) { one five @include(if: $on) }', { on: true }, { on: false }),
    ).toEqual([6, 1]);
    expect(
      calls(
        'query ($on: Boolean!) { ... @skip(if: $on) { node { dear } } free }',
        { on: true },
        { on: false },
      ),
    ).toEqual([0, 3]);
    const stored = plansOf('mutation ($c: String) { store(input: { content: $c }) }', { c: 'a' }, { c: 'b' });
    expect(stored.map(({ fields }) => fields[0]?.stores)).toEqual([
      { content: 'a', size: 3 },
      { content: 'b', size: 3 },
    ]);
  });

  it('rejects the arguments that graphql rejects, each time', () => {
    const document = parse('query ($size: Int) { sized(size: $size) }');
    const operation = document.definitions[0] as OperationDefinitionNode;
    expect(planOf(document, operation, { size: 1 }).roots[0]?.args).toEqual({ size: 1 });
    expect(() => planOf(document, operation, { size: null })).toThrow('must not be null');
    expect(planOf(document, operation, {}).roots[0]?.args).toEqual({ size: 3 });
  });

  it('is not kept if it refers to many fields', () => {
    const many = Array.from({ length: 60 }, (_, i) => `a${i}: one(id: $id)`).join(' ');
    const [a, b] = plansOf(`query ($id: ID) { ${many} }`, { id: 'a' }, { id: 'b' });
    expect(b?.fields).not.toBe(a?.fields);
  });
});

describe('the cost of an operation', () => {
  it('is the sum of the costs of its fields; fields without a cost are free', () => {
    expect(callsOf('{ one five free }')).toBe(6);
    expect(plan('{ free node { id child { id } } }')).toMatchObject({ calls: 0, metered: false });
    expect(plan('{ __typename __schema { types { name } } }')).toMatchObject({ calls: 0, metered: false });
  });

  it('counts each alias', () => {
    expect(callsOf('{ a: one b: one one }')).toBe(3);
    expect(plan('{ a: one b: one }').fields.map(({ rootKey, endpoint }) => [rootKey, endpoint])).toEqual([
      ['a', 'one'],
      ['b', 'one'],
    ]);
  });

  it('counts a field once that is selected twice under one name, as it is executed', () => {
    expect(callsOf('{ one one }')).toBe(1);
    expect(callsOf('{ a: one ...F a: one } fragment F on Query { a: one }')).toBe(1);
    expect(callsOf('{ node { dear } node { dear id } }')).toBe(3);
    expect(callsOf('{ node { dear } ... { node { ...F } } } fragment F on Node { dear }')).toBe(3);
  });

  it('counts what the second selection of one name adds', () => {
    expect(callsOf('{ node { id } node { dear } }')).toBe(3);
    expect(callsOf('{ x: node { dear } y: node { dear } }')).toBe(6);
  });

  it('follows named, inline and nested fragments, also where one is used twice', () => {
    expect(callsOf('{ ...A } fragment A on Query { one ...B } fragment B on Query { five }')).toBe(6);
    expect(callsOf('{ ... on Query { one } ... { five } }')).toBe(6);
    const twice = '{ x: node { ...N } y: node { child { ...N } } } fragment N on Node { dear }';
    expect(callsOf(twice)).toBe(6);
    expect(callsOf('{ node { ...N child { ...N } } } fragment N on Node { dear }')).toBe(6);
  });

  it('counts nested fields under the root field in whose answer they lie', () => {
    const [field] = plan('{ n: node { child { d: dear } } }').fields.filter(({ calls }) => calls > 0);
    expect(field).toMatchObject({ rootKey: 'n', calls: 3, endpoint: 'Node.dear' });
  });

  it('plans only the operation that runs', () => {
    const document = parse('query A { one } query B { five }');
    const [a, b] = document.definitions as OperationDefinitionNode[];
    expect(planOperation(schema, rules, document, a as OperationDefinitionNode, {}).calls).toBe(1);
    expect(planOperation(schema, rules, document, b as OperationDefinitionNode, {}).calls).toBe(5);
  });
});

describe('@skip and @include', () => {
  it('leave out what does not run, by literal and by variable', () => {
    const query =
      'query ($no: Boolean!, $yes: Boolean!) { a: one @skip(if: $yes) b: one @include(if: $no) five }';
    expect(callsOf(query, { no: false, yes: true })).toBe(5);
    expect(callsOf(query, { no: true, yes: false })).toBe(7);
    expect(callsOf('{ one @skip(if: true) five @include(if: false) free }')).toBe(0);
  });

  it('leave out fragments and whole branches', () => {
    const query = `query ($on: Boolean!) { ...F @include(if: $on) ... @skip(if: $on) { five } node @include(if: $on) { dear } }
      fragment F on Query { one }`;
    expect(callsOf(query, { on: true })).toBe(4);
    expect(callsOf(query, { on: false })).toBe(5);
  });

  it('both count: a field runs only when neither leaves it out', () => {
    const query = 'query ($s: Boolean!, $i: Boolean!) { one @skip(if: $s) @include(if: $i) free }';
    expect([
      callsOf(query, { s: false, i: true }),
      callsOf(query, { s: true, i: true }),
      callsOf(query, { s: false, i: false }),
    ]).toEqual([1, 0, 0]);
  });

  it('take the default of a variable', () => {
    const query = 'query ($on: Boolean! = true) { one @include(if: $on) free }';
    expect(callsOf(query)).toBe(1);
    expect(callsOf(query, { on: false })).toBe(0);
  });

  it('do not hide a field that is selected again without them', () => {
    expect(callsOf('{ one @skip(if: true) one }')).toBe(1);
    expect(callsOf('{ ...F @skip(if: true) ...F } fragment F on Query { one }')).toBe(1);
  });
});

describe('list arguments', () => {
  it('cost for each item, literal or variable, the longest list deciding', () => {
    expect(callsOf('{ many(ids: [1, 2, 3]) }')).toBe(6);
    expect(callsOf('{ many(ids: [1], more: [1, 2, 3, 4]) }')).toBe(8);
    expect(callsOf('query ($ids: [ID!]!) { many(ids: $ids) }', { ids: ['a', 'b'] })).toBe(4);
    expect(callsOf('query ($id: ID!) { many(ids: [$id, "x"]) }', { id: 'a' })).toBe(4);
    expect(callsOf('query ($ids: [ID!] = ["a", "b", "c"]) { node { dear(ids: $ids) } }')).toBe(9);
  });

  it('cost one call where the list is empty, null, absent or a single item', () => {
    expect(callsOf('{ many(ids: []) }')).toBe(2);
    expect(callsOf('{ many(ids: "a") }')).toBe(2);
    expect(callsOf('{ many(ids: ["a"], more: null) }')).toBe(2);
    expect(callsOf('query ($ids: [ID!]) { node { dear(ids: $ids) } }')).toBe(3);
  });

  it('of an input object cost nothing', () => {
    expect(callsOf('mutation { store(input: { content: "a", tags: ["x", "y"] }) }')).toBe(1);
  });
});

describe('what else the plan says', () => {
  it('the arguments of each root field, with defaults and variables filled in', () => {
    const { roots } = plan('query ($id: ID = "7") { free x: one(id: $id) node { child { id } } }');
    expect(roots.map(({ rule, ...root }) => ({ ...root, coordinate: rule?.coordinate }))).toEqual([
      { key: 'free', coordinate: 'Query.free', args: { first: 20 } },
      { key: 'x', coordinate: 'Query.one', args: { id: '7' } },
      { key: 'node', coordinate: 'Query.node', args: {} },
    ]);
  });

  it('what would be stored, by root field', () => {
    const { fields } = plan(
      'mutation ($in: In!) { a: store(input: $in) b: storeAll(input: [{ content: "1", size: 1 }, { content: "2" }]) }',
      { in: { content: 'x' } },
    );
    expect(fields.map(({ rootKey, calls, stores }) => ({ rootKey, calls, stores }))).toEqual([
      { rootKey: 'a', calls: 1, stores: { content: 'x', size: 3 } },
      {
        rootKey: 'b',
        calls: 2,
        stores: [
          { content: '1', size: 1 },
          { content: '2', size: 3 },
        ],
      },
    ]);
  });

  it('the features that are needed, each once, at any depth', () => {
    expect(plan('{ a: search b: search node { child { shared } } }').features).toEqual([
      'SEARCH',
      'FEDERATION',
    ]);
    expect(plan('{ search @skip(if: true) free }').features).toEqual([]);
  });

  it('the field limits, once for each time that the field runs', () => {
    const { fieldLimits, metered } = plan('{ a: capped b: capped capped capped }');
    expect(fieldLimits).toHaveLength(3);
    expect(fieldLimits[0]).toEqual({ field: 'Query.capped', max: 2, window: '1m' });
    expect(metered).toBe(false);
  });
});

describe('an operation that selects too much is rejected before it costs anything', () => {
  const aliases = (count: number) => Array.from({ length: count }, (_, i) => `a${i}: free`).join(' ');

  function refusal(text: string): { message: string; ms: number } {
    const document = parse(text);
    const before = performance.now();
    try {
      planParsed(document);
    } catch (error) {
      return { message: (error as Error).message, ms: performance.now() - before };
    }
    return { message: '', ms: performance.now() - before };
  }

  it('lets 500 root fields pass, not 501', () => {
    expect(plan(`{ ${aliases(500)} }`).roots).toHaveLength(500);
    expect(refusal(`{ ${aliases(501)} }`).message).toContain('more than 500 root fields');
  });

  it('rejects more than 5,000 fields, nested ones counted', () => {
    const wide = Array.from({ length: 100 }, (_, i) => `n${i}: id`).join(' ');
    const query = (count: number) =>
      `{ ${Array.from({ length: count }, (_, i) => `r${i}: node { ${wide} }`).join(' ')} }`;
    expect(refusal(query(49)).message).toBe('');
    expect(refusal(query(51)).message).toContain('more than 5000 fields');
  });

  /** `levels` fragments, each of which spreads the next one twice. */
  function bomb(levels: number, within: (next: string) => string, leaf: string): string {
    const fragments = Array.from(
      { length: levels },
      (_, i) => `fragment F${i} on Node { ${within(`...F${i + 1}`)} }`,
    );
    return `{ node { ...F0 } } ${fragments.join(' ')} fragment F${levels} on Node { ${leaf} }`;
  }

  it('is quick with a bomb of fields: fragments that double the fields at each level', () => {
    const { message, ms } = refusal(bomb(30, (next) => `a: child { ${next} } b: child { ${next} }`, 'id'));
    expect(message).toContain('more than 5000 fields');
    expect(ms).toBeLessThan(1_000);
  });

  // 22 levels are four million spreads: seconds if each is followed, nothing if each fragment is read once a place.
  it.each([
    ['a field that is selected', 'id'],
    ['fields that are all left out', 'id @skip(if: true)'],
  ])('is quick with a bomb of spreads that end in %s', (_, leaf) => {
    const { ms } = refusal(bomb(22, (next) => `${next} ${next}`, leaf));
    expect(ms).toBeLessThan(1_000);
  });

  it('plans a bomb of spreads as it is executed: its one field once', () => {
    expect(callsOf(bomb(8, (next) => `${next} ${next}`, 'dear'))).toBe(3);
  });

  it('is quick with inline fragments within each other', () => {
    const depth = 300;
    const { message, ms } = refusal(`{ ${'... { '.repeat(depth)}free${' }'.repeat(depth)} }`);
    expect(message).toBe('');
    expect(ms).toBeLessThan(1_000);
  });
});

describe('entities that a gateway fetches', () => {
  const subgraph = buildSchema(`
    scalar _Any
    union _Entity = Memory | Tenant
    type Query {
      _entities(representations: [_Any!]!): [_Entity]!
      memory(id: ID!): Memory
      tenant: Tenant
    }
    type Memory { id: ID  similar: Int  links: Tenant }
    type Tenant { id: ID  audit(days: [Int!]): Int  memory: Memory }
  `);
  const nothing = {
    cost: null,
    fieldLimits: [],
    features: [],
    storageArg: null,
    storedResource: null,
    access: null,
    check: null,
    oneByOne: null,
  };
  // The names of the plain schema, as a subgraph has them.
  const memoryRule: FieldRule = { ...nothing, coordinate: 'Query.memory', cost: 1, features: ['FEDERATION'] };
  const tenantRule: FieldRule = {
    ...nothing,
    coordinate: 'Query.tenant',
    access: { kind: 'role', role: 'READ' },
  };
  const subgraphRules: Rules = new Map([
    ['Query.memory', memoryRule],
    ['Query.tenant', tenantRule],
    ['Memory.similar', { ...nothing, coordinate: 'Memory.similar', cost: 2 }],
    ['Tenant.audit', { ...nothing, coordinate: 'Tenant.audit', cost: 5 }],
  ]);
  const entities: EntityRules = new Map([
    ['Memory', { key: 'id', rule: memoryRule }],
    ['Tenant', { key: 'id', rule: tenantRule }],
  ]);

  function planOf(text: string, ...representations: unknown[]): OperationPlan {
    const document = parse(text);
    expect(validate(subgraph, document)).toEqual([]);
    const [operation] = document.definitions as [OperationDefinitionNode];
    return planOperation(subgraph, subgraphRules, document, operation, { of: representations }, entities);
  }
  const chargesOf = (text: string, ...representations: unknown[]) =>
    planOf(text, ...representations)
      .fields.filter(({ calls }) => calls > 0)
      .map(({ endpoint, calls, rootKey }) => ({ [endpoint]: calls, rootKey }));
  const fetching = (selections: string) =>
    `query ($of: [_Any!]!) { _entities(representations: $of) { ${selections} } }`;
  const memory = (id: string) => ({ __typename: 'Memory', id });
  const tenant = (id: string) => ({ __typename: 'Tenant', id });

  it('ask and cost what the root field of the same answer does, each once', () => {
    expect(chargesOf(fetching('__typename'), memory('a'), tenant('a'), memory('b'), memory('a'))).toEqual([
      { memory: 2, rootKey: '_entities' },
    ]);
    const { features, access, metered } = planOf(fetching('__typename'), memory('a'), tenant('a'));
    expect({ features, access, metered }).toEqual({
      features: ['FEDERATION'],
      access: [{ kind: 'role', role: 'READ' }],
      metered: true,
    });
    expect(planOf(fetching('__typename'))).toMatchObject({ calls: 0, metered: false, access: [] });
  });

  it('multiply what is selected on them, and nothing that is selected on others', () => {
    const text = fetching('... on Memory { similar links { audit } } ... on Tenant { audit(days: [1, 2]) }');
    expect(chargesOf(text, memory('a'), memory('b'), memory('c'))).toEqual([
      { memory: 3, rootKey: '_entities' },
      { 'Memory.similar': 6, rootKey: '_entities' },
      { 'Tenant.audit': 15, rootKey: '_entities' },
    ]);
    expect(chargesOf(text, tenant('a'), tenant('b'))).toEqual([{ 'Tenant.audit': 20, rootKey: '_entities' }]);
  });

  it('count through fragments, once under one name, twice under two', () => {
    const fragments = `query ($of: [_Any!]!) {
        _entities(representations: $of) { ...Any ... { ...OfMemory } ... @skip(if: true) { ... on Memory { x: similar } } }
        _entities(representations: $of) { ...OfMemory }
        again: _entities(representations: $of) { ...OfMemory }
      }
      fragment Any on _Entity { ...OfMemory }
      fragment OfMemory on Memory { similar }`;
    expect(chargesOf(fragments, memory('a'), memory('b'))).toEqual([
      { memory: 2, rootKey: '_entities' },
      { 'Memory.similar': 4, rootKey: '_entities' },
      { memory: 2, rootKey: 'again' },
      { 'Memory.similar': 4, rootKey: 'again' },
    ]);
  });

  it('keep fields of two types under one name apart', () => {
    const text = fetching('... on Memory { x: similar } ... on Tenant { x: audit }');
    expect(chargesOf(text, memory('a'), tenant('b'))).toEqual([
      { memory: 1, rootKey: '_entities' },
      { 'Memory.similar': 2, rootKey: '_entities' },
      { 'Tenant.audit': 5, rootKey: '_entities' },
    ]);
  });
});
