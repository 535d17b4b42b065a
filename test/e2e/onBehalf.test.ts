import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import {
  apolloLimits,
  beginOperation,
  enforceLimits,
  type IdentifiedCaller,
  type Limits,
  limitDirectivesSdl,
  remoteLimits,
  tenantOf,
  yogaLimits,
} from '@continuum-billing/limits';
import { buildSchema, execute, type GraphQLResolveInfo, parse } from 'graphql';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { directLimits } from '../../src/directLimits.js';
import {
  AUDIENCE,
  type IdentityProvider,
  jwtVariables,
  startIdentityProvider,
  TENANT_CLAIM,
} from '../support/identityProvider.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

let provider: IdentityProvider;
let billing: TestServer;
let serviceKey: string;
/** A tenant with five calls a day. */
let tenant: TestTenant & { externalId: string };
let stranger: TestTenant;
let made = 0;

beforeAll(async () => {
  provider = await startIdentityProvider({
    now: () => Math.floor(performance.timeOrigin + performance.now()),
  });
  billing = await startTestServer({ env: jwtVariables(provider) });
  const { data } = await billing.gql(
    'mutation { createApiKey(input: { name: "lamps", scopes: [ENFORCE] }) { secret } }',
  );
  serviceKey = data.createApiKey.secret;
  stranger = await billing.createTenant();
});
afterAll(async () => {
  await billing.stop();
  await provider.stop();
});
beforeEach(async () => {
  tenant = await createTenant(`customer-${++made}`);
  await billing.setLimits(tenant.id, { apiCallsPerDay: 5, apiCallsPerMinute: 1_000 });
});

async function createTenant(externalId: string): Promise<TestTenant & { externalId: string }> {
  const { data } = await billing.gql(
    'mutation ($id: ID) { createTenant(input: { name: "A customer", externalId: $id }) { tenant { id } apiKey { id secret } } }',
    { variables: { id: externalId } },
  );
  const { tenant: created, apiKey } = data.createTenant;
  return { id: created.id, key: apiKey.secret, keyId: apiKey.id, externalId };
}

const callsOf = async ({ key }: TestTenant): Promise<number> =>
  (await billing.gql('{ usage { apiCalls } }', { key })).data.usage.apiCalls;

describe('a service charges for a tenant that it names', () => {
  const consume = (input: object, key = serviceKey) =>
    billing.gql('mutation ($input: ConsumeInput!) { consume(input: $input) { allowed remaining } }', {
      key,
      variables: { input: { endpoint: 'lamps', ...input } },
    });
  const codeOf = async (input: object, key?: string) =>
    (await consume(input, key)).errors[0]?.extensions.code;

  it('by id or external id, within its limits', async () => {
    const { id: tenantId, externalId } = tenant;
    expect((await consume({ tenantId, cost: 2 })).data.consume).toEqual({ allowed: true, remaining: 3 });
    expect((await consume({ externalId, cost: 3 })).data.consume).toEqual({ allowed: true, remaining: 0 });
    expect((await consume({ externalId })).data.consume).toEqual({ allowed: false, remaining: 0 });
    expect(await callsOf(tenant)).toBe(5);
  });

  it("once for each of the tenant's idempotency keys, no matter who sends it", async () => {
    const idempotencyKey = 'order-1';
    await consume({ externalId: tenant.externalId, cost: 2, idempotencyKey });
    await consume({ tenantId: tenant.id, cost: 2, idempotencyKey });
    await consume({ cost: 2, idempotencyKey }, tenant.key);
    expect(await callsOf(tenant)).toBe(2);
    await consume({ tenantId: stranger.id, cost: 2, idempotencyKey });
    expect(await callsOf(stranger)).toBe(2);
  });

  it('but must name one that exists, and only one', async () => {
    expect(await codeOf({})).toBe('BAD_USER_INPUT');
    expect(await codeOf({ tenantId: tenant.id, externalId: tenant.externalId })).toBe('BAD_USER_INPUT');
    expect(await codeOf({ tenantId: 'ten_none' })).toBe('NOT_FOUND');
    expect(await codeOf({ externalId: 'none' })).toBe('NOT_FOUND');
  });

  it('while a tenant cannot name another', async () => {
    for (const other of [{ tenantId: tenant.id }, { externalId: tenant.externalId }])
      expect(await codeOf(other, stranger.key)).toBe('FORBIDDEN');
    expect(await codeOf({ tenantId: stranger.id }, stranger.key)).toBeUndefined();
    expect(await callsOf(tenant)).toBe(0);
  });

  it('and cannot use other fields', async () => {
    for (const field of [
      `tenant(id: "${tenant.id}") { id }`,
      `apiKeys(tenantId: "${tenant.id}") { id }`,
      'tenants { edges { node { id } } }',
      'memories { edges { node { id } } }',
    ]) {
      const { status, errors } = await billing.gql(`{ ${field} }`, { key: serviceKey });
      expect([status, errors[0]?.extensions.code], field).toEqual([403, 'FORBIDDEN']);
    }
    const recorded = await billing.gql(
      `mutation { recordUsage(tenantId: "${tenant.id}", events: []) { status } }`,
      { key: serviceKey },
    );
    expect(recorded.errors[0]?.extensions.code).toBe('FORBIDDEN');
  });
});

describe('a service decides operations of tenants that it names', () => {
  const decide = async (callers: object[], key = serviceKey) => {
    const cost = {
      scope: 'READ',
      charges: [{ endpoint: 'lamps' }],
      features: [],
      fieldLimits: [],
      stores: [],
    };
    return billing.gql(
      'mutation ($operations: [OperationInput!]!) { decideOperations(operations: $operations) { allowed tenantId error } }',
      { key, variables: { operations: callers.map((caller) => ({ ...cost, ...caller })) } },
    );
  };

  it('by id, by external id or by credential, and a wrong one rejects its own operation only', async () => {
    const token = await provider.sign({ [TENANT_CLAIM]: tenant.externalId, aud: AUDIENCE });
    const { data } = await decide([
      { tenantId: tenant.id },
      { externalId: tenant.externalId },
      { apiKey: tenant.key },
      { apiKey: token },
      { externalId: 'none' },
      { tenantId: 'none' },
      { externalId: 'x'.repeat(5_000) },
      { tenantId: '' },
    ]);
    const decisions = data.decideOperations as { tenantId: string | null; error: { code: string } | null }[];
    expect(decisions.slice(0, 4).map(({ tenantId }) => tenantId)).toEqual(Array(4).fill(tenant.id));
    const codes = decisions.slice(4).map(({ error }) => error?.code);
    expect(codes).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND', 'BAD_USER_INPUT']);
    expect(await callsOf(tenant)).toBe(4);
  });

  it('and names each caller once', async () => {
    for (const caller of [
      {},
      { apiKey: tenant.key, tenantId: tenant.id },
      { tenantId: 'a', externalId: 'b' },
    ]) {
      const { status, errors } = await decide([{ tenantId: tenant.id }, caller]);
      expect(status).toBe(400);
      expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'operations.1' });
    }
    expect(await callsOf(tenant)).toBe(0);
  });

  it('while a tenant decides nothing', async () => {
    const { errors } = await decide([{ tenantId: tenant.id }], stranger.key);
    expect(errors[0]?.extensions.code).toBe('FORBIDDEN');
  });
});

interface TeamContext {
  user?: string | null | undefined;
}

type Identify = (context: TeamContext) => IdentifiedCaller | Promise<IdentifiedCaller>;

/** A field tells the tenant of its operation: one is limited, one is not. */
function teamSchema(limits: Limits, identify: Identify) {
  const schema = buildSchema(
    `${limitDirectivesSdl} type Query { free: String lamp: String @rateLimited } type Mutation { make: String }`,
  );
  const who = (_: unknown, __: unknown, context: object, info: GraphQLResolveInfo) => {
    const found = tenantOf(context, info);
    return found && `${found.id} ${found.tier}`;
  };
  for (const type of [schema.getQueryType(), schema.getMutationType()])
    for (const field of Object.values(type?.getFields() ?? {})) field.resolve = who as never;
  return enforceLimits(schema, { limits, identify });
}

type Ask = (query: string, user: string | null, key?: string) => Promise<{ data: unknown; codes: unknown[] }>;

/** Each starts a server that takes the user from a header, as a session would name it. */
const servers: [string, (schema: ReturnType<typeof teamSchema>) => Promise<{ ask: Ask; stop(): unknown }>][] =
  [
    [
      'Apollo Server',
      async (schema) => {
        const server = new ApolloServer<TeamContext>({ schema, plugins: [apolloLimits()] });
        const { url } = await startStandaloneServer(server, {
          listen: { port: 0, host: '127.0.0.1' },
          context: async ({ req }) => ({ user: req.headers['x-user'] as string | undefined }),
        });
        return { ask: overHttp(url), stop: () => server.stop() };
      },
    ],
    [
      'GraphQL Yoga',
      async (schema) => {
        const YOGA: string = 'graphql-yoga';
        const { createYoga } = await import(YOGA);
        const context = ({ request }: { request: Request }) => ({ user: request.headers.get('x-user') });
        const server = createServer(createYoga({ schema, plugins: [yogaLimits()], logging: false, context }));
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        const { port } = server.address() as AddressInfo;
        return {
          ask: overHttp(`http://127.0.0.1:${port}/graphql`),
          stop() {
            server.closeAllConnections();
            server.close();
          },
        };
      },
    ],
    [
      'graphql alone',
      async (schema) => ({
        async ask(query, user, key) {
          const contextValue = { user, apiKey: key };
          const { data, errors = [] } = await execute({ schema, document: parse(query), contextValue });
          return { data, codes: errors.map(({ extensions }) => extensions.code) };
        },
        stop() {},
      }),
    ],
    [
      'beginOperation',
      async (schema) => ({
        async ask(query, user, key) {
          const context = { user, apiKey: key };
          const document = parse(query);
          try {
            const { end } = await beginOperation(schema, { document, context });
            const { data, errors = [] } = await execute({ schema, document, contextValue: context });
            await end({ errors, hasData: data != null });
            return { data, codes: errors.map(({ extensions }) => extensions.code) };
          } catch (error) {
            return { data: null, codes: [(error as { code: unknown }).code] };
          }
        },
        stop() {},
      }),
    ],
  ];

const overHttp =
  (url: string): Ask =>
  async (query, user, key) => {
    const headers = {
      'content-type': 'application/json',
      ...(user !== null && { 'x-user': user }),
      ...(key !== undefined && { 'x-api-key': key }),
    };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query }) });
    const { data, errors = [] } = (await response.json()) as {
      data?: unknown;
      errors?: { extensions: { code: unknown } }[];
    };
    return { data, codes: errors.map(({ extensions }) => extensions.code) };
  };

describe.each([
  [
    'directly',
    () =>
      directLimits({
        mongodbUri: billing.uri,
        upgradeUrl: 'http://localhost/upgrade',
        jwtIssuer: provider.issuer,
        jwtAudience: AUDIENCE,
        jwtJwksUrl: provider.jwksUrl,
        jwtTenantClaim: TENANT_CLAIM,
      }),
  ],
  ['by asking the billing server', () => remoteLimits({ url: billing.url, serviceKey, whenAway: 'refuse' })],
])('the library, which decides %s', (_, connect) => {
  let limits: Limits;
  beforeAll(async () => {
    limits = await connect();
  });
  afterAll(() => limits.close());

  describe.each(servers)('in %s', (_, start) => {
    /** Named by external id, asynchronously. */
    const byExternalId: Identify = async ({ user }) => ({ externalId: user });

    async function withServer(identify: Identify, test: (ask: Ask) => Promise<void>) {
      const server = await start(teamSchema(limits, identify));
      await test(server.ask).finally(() => server.stop());
    }

    it('charges the tenant that identify names, and tenantOf knows it in every field', async () => {
      await withServer(byExternalId, async (ask) => {
        const found = `${tenant.id} FREE`;
        const user = tenant.externalId;
        expect((await ask('{ lamp free }', user)).data).toEqual({ lamp: found, free: found });
        expect((await ask('{ free }', user)).data).toEqual({ free: found });
        expect((await ask('mutation { make }', user)).data).toEqual({ make: found });
        expect(await callsOf(tenant)).toBe(1);
        for (let i = 0; i < 4; i++) await ask('{ lamp }', user);
        expect((await ask('{ lamp }', user)).codes).toEqual(['RATE_LIMITED']);
        expect((await ask('{ free }', user)).data).toEqual({ free: found });
        expect(await callsOf(tenant)).toBe(5);
      });
    });

    it('limits nothing that is not limited for a visitor, and for a tenant that does not exist', async () => {
      await withServer(byExternalId, async (ask) => {
        for (const [user, code] of [
          [null, 'UNAUTHENTICATED'],
          ['nobody', 'NOT_FOUND'],
        ] as const) {
          expect(await ask('{ free }', user)).toEqual({ data: { free: null }, codes: [] });
          expect((await ask('{ lamp }', user)).codes).toEqual([code]);
        }
      });
    });

    it('looks at no key of the request', async () => {
      await withServer(byExternalId, async (ask) => {
        expect((await ask('{ lamp }', null, tenant.key)).codes).toEqual(['UNAUTHENTICATED']);
        const found = await ask('{ lamp }', tenant.externalId, stranger.key);
        expect(found.data).toEqual({ lamp: `${tenant.id} FREE` });
      });
    });

    it('takes a tenant id, or a key or token, instead', async () => {
      const token = await provider.sign({ [TENANT_CLAIM]: tenant.externalId });
      for (const identity of [{ tenantId: tenant.id }, { apiKey: tenant.key }, { apiKey: token }]) {
        await withServer(
          () => identity,
          async (ask) => {
            expect((await ask('{ lamp }', null)).data).toEqual({ lamp: `${tenant.id} FREE` });
          },
        );
      }
      expect(await callsOf(tenant)).toBe(3);
    });

    it('runs nothing if identify returns no identity', async () => {
      for (const wrong of [{ externalId: 7 }, { externalId: '' }, { tenantId: 'a', externalId: 'b' }]) {
        await withServer(
          () => wrong as IdentifiedCaller,
          async (ask) => {
            const { data, codes } = await ask('{ lamp }', null);
            expect((data as { lamp?: unknown } | null)?.lamp ?? null).toBeNull();
            expect(codes).toHaveLength(1);
          },
        );
      }
    });
  });
});

describe('enforceLimits', () => {
  it('takes apiKey or identify', () => {
    const schema = buildSchema(`${limitDirectivesSdl} type Query { a: Int }`);
    const both = { limits: {} as Limits, apiKey: () => null, identify: () => null };
    expect(() => enforceLimits(schema, both)).toThrow('not both');
  });

  it('with remote limits, asks for a tenant once in a while, not for each operation without limits', async () => {
    const remote = await remoteLimits({ url: billing.url, serviceKey, whenAway: 'refuse' });
    const schema = teamSchema(remote, () => ({ externalId: tenant.externalId }));
    const decide = vi.spyOn(billing.app.services.remoteDecisions, 'decide');
    const ask = () => execute({ schema, document: parse('{ free }'), contextValue: {} });
    for (let i = 0; i < 20; i++) expect((await ask()).data).toEqual({ free: `${tenant.id} FREE` });
    expect(decide).toHaveBeenCalledTimes(1);
    decide.mockRestore();
    await remote.close();
  });

  it('with remote limits, leaves operations without limits alone while the billing server is away', async () => {
    const away = await remoteLimits({
      url: 'http://127.0.0.1:9',
      serviceKey,
      whenAway: 'refuse',
      onAway: () => undefined,
    });
    const schema = teamSchema(away, () => ({ externalId: tenant.externalId }));
    const ask = (query: string) => execute({ schema, document: parse(query), contextValue: {} });
    expect(await ask('{ free }')).toEqual({ data: { free: null } });
    expect((await ask('{ lamp }')).errors?.[0]?.extensions.code).toBe('SERVICE_UNAVAILABLE');
    await away.close();
  });
});

it('the operator may charge for a tenant that it names, too', async () => {
  const { data } = await billing.gql(
    'mutation ($id: ID) { consume(input: { endpoint: "lamps", externalId: $id }) { allowed } }',
    { key: OPERATOR_KEY, variables: { id: tenant.externalId } },
  );
  expect(data.consume.allowed).toBe(true);
});
