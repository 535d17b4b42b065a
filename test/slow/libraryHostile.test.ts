import { remoteLimits } from '@continuum-billing/limits';
import { ApiKeyScope, type Limits } from '@continuum-billing/limits/core';
import { parse, subscribe } from 'graphql';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createServiceKey } from '../support/federation.js';
import { ask, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile, storingCatalogue } from '../support/teamCatalogue.js';
import {
  type Runs,
  startApollo,
  startPlain,
  startYoga,
  type TeamServer,
  teamSchema,
} from '../support/teamServer.js';

/** What users of a team's server may send to it, and how they may not come by more than they have. */
let billing: TestServer;
let limits: Limits;
let serviceKey: string;
const away: Error[] = [];

beforeAll(async () => {
  billing = await startTestServer({ env: { CATALOG_FILE: catalogueFile(storingCatalogue({ lamps: 5 })) } });
  serviceKey = await createServiceKey(billing);
  const onAway = (error: Error) => void away.push(error);
  // A busy machine is no outage.
  limits = await remoteLimits({
    url: billing.url,
    serviceKey,
    whenAway: 'refuse',
    onAway,
    timeoutMs: 15_000,
  });
});
afterAll(async () => {
  await limits?.close();
  await billing?.stop();
});

async function tenantWith(apiCallsPerDay: number, more: object = {}): Promise<TestTenant> {
  const tenant = await billing.createTenant();
  const room = { apiCallsPerMinute: 10_000_000, concurrentRequests: 1_000, ...more };
  await billing.setLimits(tenant.id, { apiCallsPerDay, ...room });
  return tenant;
}

const callsOf = async ({ key }: TestTenant): Promise<number> =>
  (await billing.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls;

const times = (count: number, text: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => text(i));

describe.each([
  ['Apollo Server', startApollo],
  ['GraphQL Yoga', startYoga],
  ['graphql alone', startPlain],
])('in %s', (_, start) => {
  const runs: Runs = {};
  let team: TeamServer;
  beforeAll(async () => {
    team = await start(teamSchema(limits, runs));
  });
  afterAll(() => team.stop());
  afterEach(() => {
    for (const field of Object.keys(runs)) delete runs[field];
  });
  const codeOf = async (query: string, { key }: TestTenant) =>
    (await team.ask(query, key)).errors[0]?.extensions.code;

  it('a thousand aliases of a root field are rejected, and nothing is charged', async () => {
    const tenant = await tenantWith(10_000);
    const { errors } = await team.ask(`{ ${times(1_000, (i) => `a${i}: lamp`).join(' ')} }`, tenant.key);
    expect(errors[0]?.message).toMatch(/selects more than 500 root fields; split it$/);
    expect(errors[0]?.extensions.code).toBe('OPERATION_TOO_EXPENSIVE');
    expect(runs).toEqual({});
    expect(await callsOf(tenant)).toBe(0);
  });

  it('a thousand aliases below the root cost a thousand times', async () => {
    const tenant = await tenantWith(3_000);
    const query = (count: number) => `{ thing { ${times(count, (i) => `a${i}: price`).join(' ')} } }`;
    expect(await codeOf(query(1_001), tenant)).toBe('RATE_LIMITED');
    expect(await callsOf(tenant)).toBe(0);
    expect(await codeOf(query(1_000), tenant)).toBeUndefined();
    expect(await callsOf(tenant)).toBe(3_000);
  });

  it('fragments within fragments cost what they select, once', async () => {
    const tenant = await tenantWith(50);
    const query =
      '{ ...A ...A lamp } fragment A on Query { ...B lamp } fragment B on Query { lamp ... { b: lamp } }';
    expect((await team.ask(query, tenant.key)).data).toEqual({ lamp: 1, b: 1 });
    expect(await callsOf(tenant)).toBe(2);
  });

  it('what is left out costs nothing, and needs no key', async () => {
    const query = '{ free lamp @include(if: false) ... @skip(if: true) { b: lamp } }';
    expect((await team.ask(query, null)).data).toEqual({ free: 1 });
  });

  it('storing nothing is asked for nothing', async () => {
    const tenant = await tenantWith(50);
    for (const args of ['', '(lamps: null)', '(lamps: [])', '(lamps: [null])'])
      expect((await team.ask(`mutation { keepAll${args} }`, tenant.key)).data).toEqual({ keepAll: 1 });
  });

  it('a mutation whose first non-null field fails costs what ran before it', async () => {
    const tenant = await tenantWith(50, { concurrentRequests: 1 });
    expect((await team.ask('mutation { mustFail make }', tenant.key)).data).toBeNull();
    expect(runs).toEqual({ mustFail: 1 });
    await expect.poll(() => callsOf(tenant)).toBe(0);
    expect((await team.ask('mutation { make mustFail more: make }', tenant.key)).data).toBeNull();
    await expect.poll(() => callsOf(tenant)).toBe(1);
    // And the one concurrent request is free again.
    expect(await codeOf('mutation { make }', tenant)).toBeUndefined();
  });

  it.each([
    ['an alias longer than names are', `mutation { ${'a'.repeat(300)}: keep(lamp: { name: "x" }) }`],
    ['hundreds of own limits', `{ ${times(450, (i) => `a${i}: seldom`).join(' ')} }`],
  ])("%s is one operation's error, and not that of those beside it", async (_, query) => {
    const [hostile, honest] = await Promise.all([tenantWith(50), tenantWith(50)]);
    const before = away.length;
    const [refused, ...served] = await Promise.all([
      team.ask(query, hostile.key),
      ...times(10, () => '{ lamp }').map((query) => team.ask(query, honest.key)),
    ]);
    expect(refused?.errors).not.toEqual([]);
    expect(served.map(({ data }) => data)).toEqual(Array(10).fill({ lamp: 1 }));
    expect(away.length).toBe(before);
  });
});

describe.each([
  ['Apollo Server', startApollo],
  ['GraphQL Yoga', startYoga],
])('over HTTP, in %s', (_, start) => {
  const runs: Runs = {};
  const schema = () => teamSchema(limits, runs);
  let team: TeamServer;
  beforeAll(async () => {
    team = await start(schema());
  });
  afterAll(() => team.stop());
  afterEach(() => {
    for (const field of Object.keys(runs)) delete runs[field];
  });
  const send = (body: object, { key }: TestTenant, headers: Record<string, string> = {}) =>
    fetch(team.url as string, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key, ...headers },
      body: JSON.stringify(body),
    });

  it('variables that do not fit cost nothing, and run nothing', async () => {
    const tenant = await tenantWith(50);
    const query = 'query ($ids: [ID!]!) { lamps(ids: $ids) lamp }';
    for (const variables of [{}, { ids: null }, { ids: [null] }, { ids: [{}] }]) {
      const { data, errors } = await ask(team.url as string, query, { key: tenant.key, variables });
      expect(data ?? null).toBeNull();
      expect(errors).toHaveLength(1);
    }
    expect(runs).toEqual({});
    expect(await callsOf(tenant)).toBe(0);
  });

  it('of a document with two operations the named one is charged', async () => {
    const tenant = await tenantWith(50);
    const query = 'query Dear { lamps(ids: [1, 2, 3]) } query Cheap { lamp }';
    const cheap = await send({ query, operationName: 'Cheap' }, tenant);
    expect(await cheap.json()).toEqual({ data: { lamp: 1 } });
    expect(await callsOf(tenant)).toBe(1);
    for (const operationName of [null, 'Other']) {
      const { errors } = (await (await send({ query, operationName }, tenant)).json()) as {
        errors: object[];
      };
      expect(errors).toHaveLength(1);
    }
    expect(runs).toEqual({ lamp: 1 });
    expect(await callsOf(tenant)).toBe(1);
  });

  it('of a batch each operation is decided by itself', async () => {
    const tenant = await tenantWith(3);
    const batch = ['{ lamp }', '{ a: lamp b: lamp }', '{ free }'].map((query) => ({ query }));
    const first = (await (await send(batch, tenant)).json()) as { data: object }[];
    expect(first.map(({ data }) => data)).toEqual([{ lamp: 1 }, { a: 1, b: 1 }, { free: 1 }]);
    expect(await callsOf(tenant)).toBe(3);
    const answers = (await (await send(batch, tenant)).json()) as {
      data?: object;
      errors?: { extensions: { code: string } }[];
    }[];
    expect(answers.map(({ errors }) => errors?.[0]?.extensions.code)).toEqual([
      'RATE_LIMITED',
      'RATE_LIMITED',
      undefined,
    ]);
    expect(runs).toEqual({ lamp: 3, free: 2 });
    expect(await callsOf(tenant)).toBe(3);
  });

  it('the same document twice in a batch is charged twice', async () => {
    const tenant = await tenantWith(3);
    const batch = Array(4).fill({ query: '{ lamp }' });
    const answers = (await (await send(batch, tenant)).json()) as { errors?: object[] }[];
    expect(answers.filter(({ errors }) => !errors)).toHaveLength(3);
    expect(runs).toEqual({ lamp: 3 });
  });
});

describe('subscriptions', () => {
  const query = 'subscription { ticks }';

  it('are charged when they begin, once for all that they bring, and are no concurrent request then', async () => {
    const tenant = await tenantWith(5, { concurrentRequests: 1 });
    const runs: Runs = {};
    const schema = teamSchema(limits, runs);
    // As graphql-ws does it, whatever serves the queries.
    const run = () => subscribe({ schema, document: parse(query), contextValue: { apiKey: tenant.key } });
    for (let i = 0; i < 2; i++) {
      const events = await run();
      if (!(Symbol.asyncIterator in events)) throw new Error(JSON.stringify(events));
      const brought = [];
      for await (const { data } of events) brought.push(data?.ticks);
      expect(brought).toEqual([1, 2]);
    }
    expect(await callsOf(tenant)).toBe(4);
    const refused = await run();
    expect(refused).toMatchObject({ errors: [{ extensions: { code: 'RATE_LIMITED' } }] });
    expect(runs.ticks).toBe(2);
  });

  it('in Yoga too', async () => {
    const tenant = await tenantWith(5, { concurrentRequests: 1 });
    const runs: Runs = {};
    const team = await startYoga(teamSchema(limits, runs));
    const run = async () => {
      const response = await fetch(team.url as string, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream', 'x-api-key': tenant.key },
        body: JSON.stringify({ query }),
      });
      return response.text();
    };
    try {
      for (let i = 0; i < 2; i++) expect(await run()).toMatch(/"ticks":1[\s\S]*"ticks":2/);
      expect(await callsOf(tenant)).toBe(4);
      expect(await run()).toContain('RATE_LIMITED');
      expect(runs.ticks).toBe(2);
    } finally {
      await team.stop();
    }
  });
});

describe('a field’s own window', () => {
  it('is not used up by an operation that is rejected: it takes all or nothing', async () => {
    const tenant = await tenantWith(50);
    const team = await startPlain(teamSchema(limits));
    const ask = async (query: string) => (await team.ask(query, tenant.key)).errors[0]?.extensions;
    expect(await ask('{ a: seldom b: seldom c: seldom }')).toMatchObject({
      code: 'RATE_LIMITED',
      remaining: 2,
    });
    expect(await ask('{ seldom other: rare third: rare }')).toMatchObject({ window: '1d', remaining: 1 });
    expect(await ask('{ a: seldom b: seldom rare }')).toBeUndefined();
    expect(await ask('{ seldom }')).toMatchObject({ code: 'RATE_LIMITED', remaining: 0 });
  });

  it('is the same one through an interface', async () => {
    const tenant = await tenantWith(50);
    const team = await startPlain(teamSchema(limits));
    const selected = ['{ thing { weight } }', '{ lampThing { weight } }'];
    const codes: unknown[] = [];
    for (const query of [...selected, ...selected, ...selected])
      codes.push((await team.ask(query, tenant.key)).errors[0]?.extensions.code);
    expect(codes).toEqual([undefined, undefined, undefined, ...Array(3).fill('RATE_LIMITED')]);
  });
});

describe('invalid options', () => {
  it('are all reported at the start', async () => {
    const options = { url: 'billing', serviceKey: 'a\nb', whenAway: 'maybe' as never, timeoutMs: -1 };
    await expect(remoteLimits(options)).rejects.toThrow(
      /4 errors:.*\n.*url must.*\n.*serviceKey must.*\n.*whenAway must.*\n.*timeoutMs must/,
    );
  });

  it('include a URL where nothing answers as billing does, which does not count as an outage', async () => {
    const options = { url: `${billing.url}/elsewhere`, serviceKey, whenAway: 'allow' as const };
    await expect(remoteLimits(options)).rejects.toThrow('The billing server answered 404');
  });
});

describe('an operation that Yoga never reports as done', () => {
  let isThrowing = true;
  const throwing = () => [
    {
      onExecute() {
        if (isThrowing) throw new Error('of another plugin');
      },
    },
  ];

  it('does not keep its concurrent request when the client leaves and it is cancelled', async () => {
    const tenant = await tenantWith(50, { concurrentRequests: 1 });
    const { promise: slow, resolve: end } = Promise.withResolvers<void>();
    const schema = teamSchema(limits, {}, () => slow);
    const team = await startYoga(schema, ({ useExecutionCancellation }) => [useExecutionCancellation()]);
    try {
      const controller = new AbortController();
      const left = fetch(team.url as string, {
        method: 'POST',
        signal: controller.signal,
        headers: { 'content-type': 'application/json', 'x-api-key': tenant.key },
        body: JSON.stringify({ query: '{ slow }' }),
      }).catch((error: Error) => error.name);
      await expect.poll(() => callsOf(tenant)).toBe(1);
      controller.abort();
      expect(await left).toBe('AbortError');
      await expect.poll(async () => (await team.ask('{ lamp }', tenant.key)).data).toEqual({ lamp: 1 });
    } finally {
      end();
      await team.stop();
    }
  });

  it('does not keep its concurrent request when another plugin throws', async () => {
    const tenant = await tenantWith(50, { concurrentRequests: 1 });
    const team = await startYoga(teamSchema(limits), throwing);
    try {
      for (let i = 0; i < 3; i++) expect((await team.ask('{ lamp }', tenant.key)).status).toBe(500);
      isThrowing = false;
      expect((await team.ask('{ lamp }', tenant.key)).data).toEqual({ lamp: 1 });
    } finally {
      await team.stop();
    }
  });
});

describe('an operation that the billing server takes not', () => {
  it('is rejected alone, whatever shares its request', async () => {
    const tenant = await tenantWith(1_000);
    const caller = { apiKey: tenant.key, address: null, scope: ApiKeyScope.READ };
    const before = away.length;
    const outcomes = await Promise.allSettled(
      times(60, (i) => (i % 20 === 7 ? 'a'.repeat(120) : 'lamp')).map((endpoint) =>
        limits.take(caller, {
          charges: [{ endpoint, calls: 1 }],
          features: [],
          fieldLimits: [],
          stores: new Map(),
          concurrent: true,
        }),
      ),
    );
    const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(refused.map(({ reason }) => reason.extensions.code)).toEqual(Array(3).fill('BAD_USER_INPUT'));
    expect(refused[0]?.reason.message).toContain('must have 1 to 100 printable characters');
    expect(await callsOf(tenant)).toBe(57);
    expect(away.length).toBe(before);
  });

  it('returns what failed, however much that is, whatever else ends with it', async () => {
    const tenant = await tenantWith(1_000_000);
    const failing = times(100, (i) => `a${i}: broken`).join(' ');
    const team = await startPlain(teamSchema(limits));
    const answers = await Promise.all(times(60, () => `{ ${failing} }`).map((q) => team.ask(q, tenant.key)));
    expect(answers.every(({ errors }) => errors.length === 100)).toBe(true);
    await expect.poll(() => callsOf(tenant)).toBe(0);
  });

  it('costs more than can be counted', async () => {
    const tenant = await tenantWith(1_000_000_000);
    const team = await startPlain(teamSchema(limits));
    const { errors } = await team.ask(`{ lamps(ids: [${'1 '.repeat(500_001)}]) }`, tenant.key);
    expect(errors[0]).toMatchObject({
      message: 'query: costs more than 1000000 calls of one field; split it',
      extensions: { code: 'BAD_USER_INPUT' },
    });
    expect(await callsOf(tenant)).toBe(0);
  });
});
