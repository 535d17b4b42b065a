import { readFileSync } from 'node:fs';
import {
  buildSchema,
  type GraphQLInputObjectType,
  getNamedType,
  isInputObjectType,
  isNonNullType,
} from 'graphql';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { startFaultyMongod } from '../support/faultyMongod.js';
import { createServiceKey } from '../support/federation.js';
import { collectLog } from '../support/log.js';
import { scrape } from '../support/scrape.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile, storingCatalogue } from '../support/teamCatalogue.js';

const DECIDE = '/v1/decisions';
const END = '/v1/decisions/end';

const clock = createFakeClock('2026-11-22T12:00:10Z');
const env = { CATALOG_FILE: catalogueFile(storingCatalogue({ lamps: 5 })) };
const { log, lines } = collectLog();
let server: TestServer;
let serviceKey: string;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer({ env, clock, log });
  serviceKey = await createServiceKey(server);
});
afterAll(() => server.stop());
beforeEach(async () => {
  tenant = await server.createTenant();
});

interface Call {
  /** null: none */
  key?: string | null;
  headers?: Record<string, string>;
  at?: Pick<TestServer, 'url'>;
}

/** @param body an object is sent as JSON, a text as it is; undefined: a GET without a body */
async function call(
  path: string,
  body?: object | string,
  { key = serviceKey, headers, at = server }: Call = {},
) {
  const response = await fetch(`${at.url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(key !== null && { 'x-api-key': key }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers are what the tests look into
  return { status: response.status, headers: response.headers, body: (await response.json()) as any };
}

const jobs = (cost: number) => ({ endpoint: 'jobs', cost });
const operation = (more: object = {}) => ({
  apiKey: tenant.key,
  scope: 'WRITE',
  charges: [jobs(1)],
  features: [],
  fieldLimits: [],
  stores: [],
  ...more,
});
const storing = (amount: number) => ({
  stores: [{ rootField: 'a', amounts: [{ resource: 'lamps', amount }] }],
});
const decide = (...operations: object[]) => call(DECIDE, { operations });
const ended = (receipt: unknown, more: object = {}) => ({
  receipt,
  unearned: [],
  keptHolds: [],
  releasedHolds: [],
  ...more,
});
const end = (...operations: object[]) => call(END, { operations });

const callsOf = async ({ key }: TestTenant): Promise<number> =>
  (await server.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls;

describe('POST /v1/decisions', () => {
  it('decides each operation by itself, as the mutation does, and in their order', async () => {
    await server.setLimits(tenant.id, { apiCallsPerDay: 3 });
    const wrong = operation({ apiKey: 'nope' });
    const { status, headers, body } = await decide(operation({ charges: [jobs(3)] }), wrong);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('application/json');
    const [first, second] = body.decisions;
    expect(first).toEqual({
      allowed: true,
      error: null,
      tenantId: tenant.id,
      tier: 'FREE',
      concurrentRequests: expect.any(Number),
      chargedAt: '2026-11-22T12:00:10.000Z',
      holds: [],
      receipt: expect.stringMatching(/^v1\./),
      headers: expect.objectContaining({ 'x-ratelimit-remaining-day': '0', 'x-tier': 'free' }),
    });
    expect(second).toMatchObject({ allowed: false, error: { code: 'UNAUTHENTICATED' }, receipt: null });
    // Operations of one request are decided at once: which of them gets the last call is open.
    const [third] = (await decide(operation())).body.decisions;
    expect(third).toMatchObject({
      allowed: false,
      error: { code: 'RATE_LIMITED', details: { window: 'day', limit: 3, remaining: 0 } },
      tenantId: null,
    });
    expect(await callsOf(tenant)).toBe(3);
    const { data } = await server.gql(
      `mutation ($operations: [OperationInput!]!) { decideOperations(operations: $operations) {
         allowed error tenantId tier concurrentRequests chargedAt holds { rootField id } receipt headers } }`,
      { key: serviceKey, variables: { operations: [operation()] } },
    );
    expect(data.decideOperations).toEqual([third]);
  });

  it('takes a cost of 1 if none is said, and counts as text as GraphQL does', async () => {
    const { body } = await decide(operation({ charges: [{ endpoint: 'jobs' }], ...storing('2' as never) }));
    expect(body.decisions[0]).toMatchObject({ allowed: true, holds: [{ rootField: 'a' }] });
    expect(await callsOf(tenant)).toBe(1);
  });

  it('takes tenants by the ids that a service knows, and no others', async () => {
    const named = ({ apiKey: _, ...rest }: { apiKey: string }, more: object) => ({ ...rest, ...more });
    const { body } = await decide(
      named(operation(), { tenantId: tenant.id }),
      named(operation(), { externalId: 'nobody' }),
    );
    expect(body.decisions).toMatchObject([
      { allowed: true, tenantId: tenant.id },
      { allowed: false, error: { code: 'NOT_FOUND' } },
    ]);
  });

  it('counts as an operation of its route, with a line in the log that has the id of the request', async () => {
    const route = { route: DECIDE, status: '2xx' };
    const before = await scrape(`${server.url}/metrics`);
    const { headers } = await call(
      DECIDE,
      { operations: [operation()] },
      { headers: { 'x-request-id': 'lamps-1' } },
    );
    expect(headers.get('x-request-id')).toBe('lamps-1');
    await expect
      .poll(() => lines.find((line) => line.includes('"lamps-1"')))
      .toContain(`"route":"${DECIDE}"`);
    const line = JSON.parse(lines.find((line) => line.includes('"lamps-1"')) ?? '');
    expect(line).toMatchObject({ msg: 'request.answered', status: 200, keyId: expect.any(String) });
    const after = await scrape(`${server.url}/metrics`);
    for (const [name, labels] of [
      ['continuum_http_requests_total', route],
      ['continuum_operations_total', { result: 'OK', tier: 'none' }],
    ] as const)
      expect(after.value(name, labels) - before.value(name, labels), name).toBe(1);
  });
});

describe('POST /v1/decisions/end', () => {
  it('returns what a receipt grants once, however often it is sent and to which of both APIs', async () => {
    const { body } = await decide(operation({ charges: [jobs(5)] }));
    const once = ended(body.decisions[0].receipt, { unearned: [jobs(3)] });
    for (const answer of await Promise.all([end(once, once), end(once), end(once)]))
      expect(answer).toMatchObject({ status: 200, body: { ended: true } });
    const again = await server.gql(
      'mutation ($operations: [EndedOperationInput!]!) { endOperations(operations: $operations) }',
      { key: serviceKey, variables: { operations: [once] } },
    );
    expect(again.data).toEqual({ endOperations: true });
    expect(await callsOf(tenant)).toBe(2);
  });

  it('commits and releases what is held, and nothing of another receipt', async () => {
    const other = await server.createTenant();
    const { body } = await decide(
      operation(storing(2)),
      operation(storing(1)),
      operation({ apiKey: other.key, ...storing(4) }),
    );
    const [kept, released, others] = body.decisions;
    const [hold] = others.holds;
    const theft = await end(ended(kept.receipt, { keptHolds: [hold.id] }));
    expect(theft).toMatchObject({
      status: 400,
      body: { error: { code: 'BAD_USER_INPUT', argument: 'operations.0' } },
    });
    await end(
      ended(kept.receipt, { keptHolds: [kept.holds[0].id] }),
      ended(released.receipt, { releasedHolds: [released.holds[0].id] }),
    );
    const { data } = await server.gql('{ storage { resources { stored } } }', { key: tenant.key });
    expect(data.storage.resources).toEqual([{ stored: 2 }]);
  });

  it('returns nothing for a receipt of another key, an altered one, or more than was charged', async () => {
    const { body } = await decide(operation({ charges: [jobs(2)] }), operation({ charges: [jobs(2)] }));
    const [{ receipt }, { receipt: good }] = body.decisions;
    const otherKey = await createServiceKey(server);
    const one = { unearned: [jobs(1)] };
    const byOther = await call(END, { operations: [ended(receipt, one)] }, { key: otherKey });
    for (const answer of [
      byOther,
      await end(ended(`${receipt}A`, one)),
      await end(ended(good, one), ended(receipt, { unearned: [jobs(3)] })),
    ])
      expect(answer).toMatchObject({ status: 400, body: { error: { code: 'BAD_USER_INPUT' } } });
    expect(byOther.body.error.argument).toBe('operations.0.receipt');
    expect(await callsOf(tenant)).toBe(4);
  });
});

describe('GET /v1/decisions', () => {
  it('has the names that operations may use', async () => {
    const { status, body } = await call(DECIDE);
    expect(status).toBe(200);
    const { data } = await server.gql(
      '{ __type(name: "Feature") { enumValues { name } } brand { upgradeUrl } }',
    );
    expect(body).toEqual({
      features: data.__type.enumValues.map(({ name }: { name: string }) => name),
      resources: ['lamps'],
      upgradeUrl: data.brand.upgradeUrl,
    });
  });
});

describe.each([
  ['GET', DECIDE, () => undefined],
  ['POST', DECIDE, () => ({ operations: [operation()] })],
  ['POST', END, () => ({ operations: [ended('x')] })],
])('%s %s', (_, path, body) => {
  it('is only for a key with the scope ENFORCE, or an OWNER', async () => {
    const { data } = await server.gql(
      'mutation { createOperatorKey(input: { name: "reader", role: READ }) { secret } }',
    );
    for (const [key, status, code] of [
      [null, 401, 'UNAUTHENTICATED'],
      ['nope', 401, 'UNAUTHENTICATED'],
      [`${serviceKey.slice(0, -4)}AAAA`, 401, 'UNAUTHENTICATED'],
      [tenant.key, 403, 'FORBIDDEN'],
      [data.createOperatorKey.secret, 403, 'FORBIDDEN'],
    ] as const)
      expect(await call(path, body(), { key }), String(key)).toMatchObject({
        status,
        body: { error: { code } },
      });
    expect((await call(path, body(), { key: OPERATOR_KEY })).body.error?.code).not.toBe('FORBIDDEN');
  });
});

describe('bad input', () => {
  const listOf = (count: number, item: object) => Array(count).fill(item);

  it.each<[string, string, () => object]>([
    ['an unknown field', 'operations.1', () => ({ color: 'red' })],
    ['no scope', 'operations.1', () => ({ scope: undefined })],
    ['a scope that there is not', 'operations.1.scope', () => ({ scope: 'REED' })],
    ['null for a list', 'operations.1.features', () => ({ features: null })],
    ['an object for a text', 'operations.1.apiKey', () => ({ apiKey: { $gt: '' } })],
    [
      'a text for a number',
      'operations.1.charges.0.cost',
      () => ({ charges: [{ endpoint: 'jobs', cost: '1' }] }),
    ],
    ['a negative cost', 'operations.1.charges.0.cost', () => ({ charges: [jobs(-5)] })],
    ['too large a cost', 'operations.1.charges.0.cost', () => ({ charges: [jobs(1_000_001)] })],
    [
      'an endpoint without a name',
      'operations.1.charges.0.endpoint',
      () => ({ charges: [{ endpoint: '' }] }),
    ],
    ['too many charges', 'operations.1.charges', () => ({ charges: listOf(501, jobs(1)) })],
    ['too long a name', 'operations.1.features.0', () => ({ features: ['x'.repeat(201)] })],
    ['NUL in a name', 'operations.1.features.0', () => ({ features: ['a\0b'] })],
    [
      'a window without a unit',
      'operations.1.fieldLimits',
      () => ({ fieldLimits: [{ field: 'a', max: 1, window: 'soon' }] }),
    ],
    ['a negative amount', 'operations.1.stores.0.amounts.0.amount', () => storing(-1)],
    [
      'another resource',
      'operations.1.stores.0.amounts.0.resource',
      () => ({ stores: [{ rootField: 'a', amounts: [{ resource: 'suns', amount: 1 }] }] }),
    ],
    ['two callers', 'operations.1', () => ({ tenantId: tenant.id })],
  ])('of a decision is named: %s', async (_, argument, wrong) => {
    const { status, body } = await decide(operation(), operation(wrong()));
    expect({ status, ...body.error }).toMatchObject({ status: 400, code: 'BAD_USER_INPUT', argument });
    expect(body.error.message).not.toContain('Did you mean');
    expect(await callsOf(tenant)).toBe(0);
  });

  it.each<[string, number, string, string | undefined, () => object | string]>([
    ['no operations', 400, 'BAD_USER_INPUT', 'operations', () => ({})],
    ['an empty list', 400, 'BAD_USER_INPUT', 'operations', () => ({ operations: [] })],
    ['null', 400, 'BAD_USER_INPUT', 'operations', () => ({ operations: null })],
    ['another key', 400, 'BAD_USER_INPUT', 'body', () => ({ operations: [operation()], query: '{ a }' })],
    ['a list', 400, 'BAD_USER_INPUT', 'body', () => [operation()]],
    ['nothing', 400, 'BAD_USER_INPUT', 'body', () => ''],
    ['no JSON', 400, 'BAD_USER_INPUT', 'body', () => '{'],
    ['a megabyte', 413, 'PAYLOAD_TOO_LARGE', undefined, () => ({ operations: 'x'.repeat(1_100_000) })],
  ])('of a request is named: %s', async (_, status, code, argument, body) => {
    for (const path of [DECIDE, END]) {
      const answer = await call(path, body());
      expect(answer, path).toMatchObject({
        status,
        body: { error: { code, ...(argument && { argument }) } },
      });
    }
    expect(await callsOf(tenant)).toBe(0);
  });

  it('of more than 500 operations is rejected as a whole', async () => {
    for (const answer of [
      await decide(...Array(501).fill(operation())),
      await end(...Array(501).fill(ended('x'))),
    ])
      expect(answer).toMatchObject({ status: 400, body: { error: { argument: 'operations' } } });
    expect(await callsOf(tenant)).toBe(0);
  });

  it('in another format is rejected', async () => {
    const answer = await call(DECIDE, 'operations=1', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(answer).toMatchObject({ status: 415, body: { error: { code: 'UNSUPPORTED_MEDIA_TYPE' } } });
  });

  it('of an ended operation is named', async () => {
    expect(await end(ended('x', { unearned: [jobs(0)] }))).toMatchObject({
      status: 400,
      body: { error: { argument: 'operations.0.unearned.0.cost' } },
    });
  });
});

it('decides no more at once than an operation may cost', async () => {
  const small = await startTestServer({
    env: { ...env, MAX_OPERATION_COST: '1000' },
    clock,
    uri: server.uri,
  });
  const ask = (count: number) => call(DECIDE, { operations: Array(count).fill(operation()) }, { at: small });
  expect(await ask(11)).toMatchObject({
    status: 400,
    body: { error: { code: 'OPERATION_TOO_EXPENSIVE', cost: 1_100, limit: 1_000 } },
  });
  expect((await ask(10)).body.decisions).toHaveLength(10);
  await small.stop();
});

it('without MongoDB nothing is decided or ended, and both are again when it is back', async () => {
  const mongod = await startFaultyMongod();
  const away = await startTestServer({ env, uri: mongod.uri });
  try {
    const key = await createServiceKey(away);
    const { key: apiKey } = await away.createTenant();
    const decideThere = async () =>
      (await call(DECIDE, { operations: [operation({ apiKey })] }, { key, at: away })).body.decisions[0];
    const { receipt } = await decideThere();
    const endThere = () =>
      call(END, { operations: [ended(receipt, { unearned: [jobs(1)] })] }, { key, at: away });
    await mongod.kill();
    expect(await decideThere()).toMatchObject({
      allowed: false,
      error: { code: 'SERVICE_UNAVAILABLE' },
      receipt: null,
    });
    const answer = await endThere();
    expect(answer).toMatchObject({ status: 503, body: { error: { code: 'SERVICE_UNAVAILABLE' } } });
    expect(answer.headers.get('retry-after')).not.toBeNull();
    await mongod.restart();
    await expect.poll(async () => (await endThere()).status, { timeout: 20_000 }).toBe(200);
    await expect.poll(async () => (await decideThere()).allowed, { timeout: 20_000 }).toBe(true);
    const { data } = await away.gql('{ usage { apiCalls } }', { key: apiKey });
    expect(data.usage.apiCalls).toBe(1);
  } finally {
    await away.stop();
    await mongod.remove();
  }
}, 90_000);

describe('the OpenAPI description', () => {
  interface Described {
    type?: string;
    properties?: Record<string, Described>;
    required?: string[];
    items?: Described;
    $ref?: string;
  }

  it('has the fields of the input types, and requires the same', async () => {
    const document = (await (await fetch(`${server.url}/docs/json`)).json()) as {
      paths: Record<string, { post: { requestBody: { content: Record<string, { schema: Described }> } } }>;
      components: { schemas: Record<string, Described> };
    };
    const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
    for (const [path, name] of [
      [DECIDE, 'OperationInput'],
      [END, 'EndedOperationInput'],
    ] as const) {
      const body = document.paths[path]?.post.requestBody.content['application/json']?.schema;
      const named = body?.properties?.operations?.items?.$ref?.split('/').at(-1) ?? '';
      expectSame(document.components.schemas[named], schema.getType(name) as GraphQLInputObjectType);
    }
  });

  function expectSame(described: Described | undefined, type: GraphQLInputObjectType): void {
    const fields = Object.values(type.getFields());
    expect(Object.keys(described?.properties ?? {}).sort(), type.name).toEqual(
      fields.map(({ name }) => name).sort(),
    );
    const required = fields.filter((field) => isNonNullType(field.type) && field.defaultValue === undefined);
    expect(described?.required?.sort(), type.name).toEqual(required.map(({ name }) => name).sort());
    for (const field of fields) {
      const inner = getNamedType(field.type);
      const property = described?.properties?.[field.name];
      if (isInputObjectType(inner)) expectSame(property?.items, inner);
    }
  }
});
