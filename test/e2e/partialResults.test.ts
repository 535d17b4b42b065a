import { mongo } from 'mongoose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  ask,
  type GraphQLAnswer,
  startTestServer,
  type TestServer,
  type TestTenant,
} from '../support/server.js';
import { soon } from '../support/soon.js';

const GATEWAY_SECRET = 'the-gateway-secret-of-the-tests-0001';
let server: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer({ env: { GATEWAY_SECRET } });
});
afterAll(() => server.stop());
afterEach(() => vi.restoreAllMocks());
beforeEach(async () => {
  tenant = await server.createTenant();
});

const as = (key: string) => (query: string) => server.gql(query, { key });
const mine = (query: string) => as(tenant.key)(query);
const codesOf = ({ errors }: GraphQLAnswer) => errors.map(({ extensions }) => extensions.code);
const away = () => {
  throw new mongo.MongoNetworkError('connection closed');
};
/** MongoDB answers for nothing that reads usage. */
const breakUsage = () => vi.spyOn(server.app.models.ledgers, 'find').mockImplementation(away as never);

describe('a mutation of which a field fails', () => {
  it('keeps what the fields before and after it did, with status 200', async () => {
    const answer = await mine(
      'mutation { first: storeMemory(input: { content: "a" }) { id } bad: revokeApiKey(id: "none") { id } last: storeMemory(input: { content: "b" }) { id } }',
    );
    expect(answer.status).toBe(200);
    expect(answer.data.first.id).toMatch(/^mem_/);
    expect(answer.data.bad).toBeNull();
    expect(answer.data.last.id).toMatch(/^mem_/);
    expect(codesOf(answer)).toEqual(['NOT_FOUND']);
    expect((await mine('{ storage { memories } usage { apiCalls } }')).data).toEqual({
      storage: { memories: 2 },
      usage: { apiCalls: 2 },
    });
  });

  it('returns the calls of what failed by an error of the server alone', async () => {
    const insert = vi.spyOn(server.app.models.memories.collection, 'insertMany');
    insert.mockImplementationOnce(away as never);
    const answer = await mine(
      'mutation { bad: storeMemory(input: { content: "a" }) { id } good: storeMemory(input: { content: "b" }) { id } }',
    );
    expect(answer.status).toBe(200);
    expect(answer.data).toMatchObject({ bad: null, good: { id: expect.any(String) } });
    // The response does not wait for a database that is away.
    await soon(async () =>
      expect((await mine('{ storage { memories bytes } usage { apiCalls } }')).data).toEqual({
        storage: { memories: 1, bytes: 1 },
        usage: { apiCalls: 1 },
      }),
    );
  });

  it('has the status of the first error if no field was answered', async () => {
    const answer = await mine(
      'mutation { a: shareMemory(id: "none") { id } b: revokeApiKey(id: "none") { id } }',
    );
    // Rejected before execution: the tier lacks the feature.
    expect(answer).toMatchObject({ status: 403, data: undefined });
    const failed = await mine(
      'mutation { a: revokeApiKey(id: "none") { id } b: createCheckoutSession(input: { tier: FREE, successUrl: "https://a.example", cancelUrl: "https://a.example" }) { id } }',
    );
    expect(failed).toMatchObject({ status: 404, data: { a: null, b: null } });
    expect(codesOf(failed)).toEqual(['NOT_FOUND', 'BAD_USER_INPUT']);
  });

  it('is 200 for a field that answers false, which is not null', async () => {
    const answer = await mine('mutation { deleteMemory(id: "none") revokeApiKey(id: "none") { id } }');
    expect(answer).toMatchObject({ status: 200, data: { deleteMemory: false, revokeApiKey: null } });
  });
});

describe('a secret that is shown once', () => {
  it('is answered although a later field fails', async () => {
    const answer = await mine(
      'mutation { createApiKey(input: { name: "k" }) { secret } revokeApiKey(id: "none") { id } }',
    );
    expect(answer.status).toBe(200);
    expect((await as(answer.data.createApiKey.secret)('{ tenant { id } }')).data.tenant.id).toBe(tenant.id);
  });

  it('is answered although what is selected of the new tenant cannot be read', async () => {
    breakUsage();
    const answer = await server.gql(
      'mutation { createTenant(input: { name: "n" }) { tenant { id usage { apiCalls } } apiKey { id secret } } }',
    );
    vi.restoreAllMocks();
    expect(answer.status).toBe(200);
    expect(codesOf(answer)).toEqual(['SERVICE_UNAVAILABLE']);
    expect(answer.data.createTenant.tenant).toBeNull();
    expect((await as(answer.data.createTenant.apiKey.secret)('{ tenant { name } }')).data.tenant.name).toBe(
      'n',
    );
  });
});

describe('a query', () => {
  it('is 200 when its only root field is null without an error', async () => {
    expect(await mine('{ memory(id: "none") { id } }')).toMatchObject({
      status: 200,
      data: { memory: null },
      errors: [],
    });
  });

  it('has the status of the first error when no root field is there, and 200 when one is', async () => {
    vi.spyOn(server.app.models.memories, 'find').mockImplementation(away as never);
    const failed = await mine('{ memory(id: "none") { id } }');
    expect(failed).toMatchObject({ status: 503, data: { memory: null } });
    expect(failed.headers.get('retry-after')).toBe('2');
    const half = await mine('{ memory(id: "none") { id } tiers { name } }');
    expect(half).toMatchObject({ status: 200, data: { memory: null } });
    expect(codesOf(half)).toEqual(['SERVICE_UNAVAILABLE']);
    breakUsage();
    // A field that cannot be null takes the others with it.
    expect(await mine('{ tiers { name } usage { apiCalls } }')).toMatchObject({ status: 503, data: null });
  });

  it('that is rejected before execution has its error’s status, and no data', async () => {
    expect(await mine('{ nothing }')).toMatchObject({ status: 400, data: undefined });
    expect(await server.gql('{ tenant { id } }', { key: null })).toMatchObject({
      status: 401,
      data: undefined,
    });
    expect(await mine('{ tenants { edges { cursor } } }')).toMatchObject({ status: 403, data: undefined });
  });
});

it('the subgraph keeps results the same way, with the status in the body alone', async () => {
  const answer = await ask(
    `${server.url}/subgraph`,
    'mutation { createApiKey(input: { name: "k" }) { secret } revokeApiKey(id: "none") { id } }',
    { key: tenant.key, headers: { 'x-gateway-secret': GATEWAY_SECRET } },
  );
  expect(answer).toMatchObject({
    status: 200,
    data: { createApiKey: { secret: expect.any(String) }, revokeApiKey: null },
  });
  expect(answer.errors[0]?.extensions).toMatchObject({ code: 'NOT_FOUND', http: { status: 404 } });
});
