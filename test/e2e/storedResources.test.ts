import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile, storingCatalogue } from '../support/teamCatalogue.js';

const LIMIT = 3;

let server: TestServer;
let serviceKey: string;
let tenant: TestTenant;

beforeAll(async () => {
  const env = { CATALOG_FILE: catalogueFile(storingCatalogue({ lamps: LIMIT, seats: LIMIT })) };
  server = await startTestServer({ env });
  const { data } = await server.gql(
    'mutation { createApiKey(input: { name: "lamps", scopes: [ENFORCE] }) { secret } }',
  );
  serviceKey = data.createApiKey.secret;
});
afterAll(() => server.stop());
beforeEach(async () => {
  tenant = await server.createTenant();
});

const lamps = (amount: number) => ({ resource: 'lamps', amount });
const resources = async () =>
  (await server.gql('{ storage { resources { resource stored limit } } }', { key: tenant.key })).data.storage
    .resources;
const setStored = (resource: string, amount: number, key: string | undefined = serviceKey) =>
  server.gql('mutation ($input: SetStoredInput!) { setStored(input: $input) }', {
    key,
    variables: { input: { tenantId: tenant.id, resource, amount } },
  });
const setLimits = (stored: object[] | null) =>
  server.gql(
    'mutation ($input: SetTenantLimitsInput!) { setTenantLimits(input: $input) { tier { limits { stored { resource limit } } } } }',
    { variables: { input: { tenantId: tenant.id, limits: { stored } } } },
  );

describe('a service', () => {
  it('says how much of a resource it has stored, past the limit, too', async () => {
    expect((await setStored('lamps', 7)).data).toEqual({ setStored: true });
    expect(await resources()).toEqual([
      { resource: 'lamps', stored: 7, limit: LIMIT },
      { resource: 'seats', stored: 0, limit: LIMIT },
    ]);
  });

  it.each([
    ['a resource nobody knows', 'suns', 1],
    ['a name of objects', 'constructor', 1],
    ['less than nothing', 'lamps', -1],
  ])('is rejected %s, and nothing changes', async (_, resource, amount) => {
    const { status, errors } = await setStored(resource, amount);
    expect(status).toBe(400);
    expect(errors[0]?.extensions?.code).toBe('BAD_USER_INPUT');
    expect((await resources()).map(({ stored }: { stored: number }) => stored)).toEqual([0, 0]);
  });

  it.each([
    ['a resource', [{ rootField: 'a', amounts: [lamps(1), lamps(2)] }]],
    [
      'a root field',
      [
        { rootField: 'a', amounts: [lamps(1)] },
        { rootField: 'a', amounts: [lamps(2)] },
      ],
    ],
  ])('that names %s twice is rejected whole, and nothing is held', async (_, stores) => {
    const operation = {
      apiKey: tenant.key,
      scope: 'WRITE',
      charges: [],
      features: [],
      fieldLimits: [],
      stores,
    };
    const { status, errors } = await server.gql(
      'mutation ($operations: [OperationInput!]!) { decideOperations(operations: $operations) { allowed } }',
      { key: serviceKey, variables: { operations: [operation] } },
    );
    expect(status).toBe(400);
    expect(errors[0]).toMatchObject({
      message: expect.stringContaining('twice'),
      extensions: { code: 'BAD_USER_INPUT' },
    });
    expect(await server.app.models.ledgers.findById(tenant.id)).toBeNull();
  });

  it('is needed: a tenant cannot say what it has stored', async () => {
    const { status, errors } = await setStored('lamps', 0, tenant.key);
    expect(status).toBe(403);
    expect(errors[0]?.extensions?.code).toBe('FORBIDDEN');
  });
});

describe('a contract', () => {
  it('has limits of its own for some resources; the tier’s hold for the others, and when it says null', async () => {
    const agreed = await setLimits([{ resource: 'lamps', limit: 50 }]);
    expect(agreed.errors).toEqual([]);
    const both = (lamps: number) => [
      { resource: 'lamps', limit: lamps },
      { resource: 'seats', limit: LIMIT },
    ];
    expect(agreed.data.setTenantLimits.tier.limits.stored).toEqual(both(50));
    expect((await resources())[0]).toMatchObject({ limit: 50 });
    expect((await setLimits(null)).data.setTenantLimits.tier.limits.stored).toEqual(both(LIMIT));
  });

  it.each([
    ['a resource nobody knows', [{ resource: 'suns', limit: 1 }]],
    ['a name of objects', [{ resource: 'constructor', limit: 1 }]],
    ['less than nothing', [{ resource: 'lamps', limit: -1 }]],
    [
      'a resource twice',
      [
        { resource: 'lamps', limit: 1 },
        { resource: 'lamps', limit: 2 },
      ],
    ],
  ])('is rejected for %s', async (_, stored) => {
    const { status, errors } = await setLimits(stored);
    expect(status).toBe(400);
    expect(errors[0]?.extensions?.code).toBe('BAD_USER_INPUT');
    expect((await resources()).map(({ limit }: { limit: number }) => limit)).toEqual([LIMIT, LIMIT]);
  });
});
