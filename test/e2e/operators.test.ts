import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authorOf, OperatorRole } from '../../src/services/accounts/principal.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

let server: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer();
  tenant = await server.createTenant();
});
afterAll(() => server.stop());

type Role = 'OWNER' | 'SUPPORT' | 'PROVISION' | 'READ';
const ROLES: readonly Role[] = ['OWNER', 'SUPPORT', 'PROVISION', 'READ'];

async function operatorKey(role: Role): Promise<{ id: string; secret: string }> {
  const { data, errors } = await server.gql(
    `mutation { createOperatorKey(input: { name: "${role}", role: ${role} }) { secret operatorKey { id role } } }`,
  );
  expect(errors).toEqual([]);
  return { id: data.createOperatorKey.operatorKey.id, secret: data.createOperatorKey.secret };
}

const codeOf = async (query: string, key: string) =>
  (await server.gql(query, { key })).errors[0]?.extensions.code ?? 'OK';

describe("an operator's role", () => {
  /** The roles that may select a field; NOT_FOUND shows that access was granted. */
  const FIELDS: [string, () => string, readonly Role[]][] = [
    ['reads tenants', () => '{ tenants { edges { node { id } } } }', ['OWNER', 'SUPPORT', 'READ']],
    ['reads one tenant', () => `{ tenant(id: "${tenant.id}") { name } }`, ['OWNER', 'SUPPORT', 'READ']],
    ['lists keys', () => `{ apiKeys(tenantId: "${tenant.id}") { id } }`, ['OWNER', 'SUPPORT', 'READ']],
    [
      'reads invoices',
      () => `{ invoices(tenantId: "${tenant.id}") { edges { cursor } } }`,
      ['OWNER', 'SUPPORT', 'READ'],
    ],
    ['replays', () => 'mutation { replayWebhookEvent(id: "evt_none") { id } }', ['OWNER', 'SUPPORT']],
    ['resends', () => 'mutation { resendWebhookDelivery(id: "none") { id } }', ['OWNER', 'SUPPORT']],
    [
      'signs up',
      () => 'mutation { createTenant(input: { name: "new" }) { apiKey { id } } }',
      ['OWNER', 'PROVISION'],
    ],
    [
      "makes a tenant's key",
      () => `mutation { createApiKey(input: { name: "k", tenantId: "${tenant.id}" }) { secret } }`,
      ['OWNER', 'PROVISION'],
    ],
    [
      "makes a service's key",
      () => 'mutation { createApiKey(input: { name: "k", scopes: [ENFORCE] }) { secret } }',
      ['OWNER'],
    ],
    [
      'changes limits',
      () => `mutation { setTenantLimits(input: { tenantId: "${tenant.id}", tier: FREE }) { id } }`,
      ['OWNER'],
    ],
    [
      'suspends',
      () =>
        `mutation { suspendTenant(tenantId: "${tenant.id}") { id } reinstateTenant(tenantId: "${tenant.id}") { id } }`,
      ['OWNER'],
    ],
    [
      'renames',
      () => `mutation { updateTenant(tenantId: "${tenant.id}", input: { name: "n" }) { id } }`,
      ['OWNER'],
    ],
    ['reads usage', () => `{ usage(tenantId: "${tenant.id}") { apiCalls } }`, ['OWNER', 'SUPPORT', 'READ']],
    [
      'previews a change of tier',
      () => `{ previewTierChange(tenantId: "${tenant.id}", tier: PRO) { tier } }`,
      ['OWNER', 'SUPPORT', 'READ'],
    ],
    ['cancels', () => `mutation { cancelSubscription(tenantId: "${tenant.id}") { id } }`, ['OWNER']],
    [
      'records usage',
      () =>
        `mutation { recordUsage(tenantId: "${tenant.id}", events: [{ id: "e", endpoint: "x", quantity: 1 }]) { status } }`,
      ['OWNER'],
    ],
    [
      'makes an operator',
      () => 'mutation { createOperatorKey(input: { name: "k", role: READ }) { secret } }',
      ['OWNER'],
    ],
    ['lists operators', () => '{ operatorKeys { id } }', ['OWNER']],
    ['decides operations', () => 'mutation { endOperations(operations: []) }', ['OWNER']],
  ];

  const secrets = new Map<Role, string>();
  beforeAll(async () => {
    for (const role of ROLES) secrets.set(role, (await operatorKey(role)).secret);
  });

  it.each(FIELDS)('%s only if it may', async (_what, query, allowed) => {
    for (const role of ROLES) {
      const code = await codeOf(query(), secrets.get(role) as string);
      if (allowed.includes(role)) expect(code, role).not.toMatch(/FORBIDDEN|UNAUTHENTICATED|INTERNAL/);
      else expect(code, role).toBe('FORBIDDEN');
    }
  });

  it("hides operators' notes from PROVISION, which gets a tenant that exists back from createTenant", async () => {
    const made =
      'mutation { createTenant(input: { name: "n", externalId: "noted" }) { tenant { id suspendedReason limitOverrides { reason author } } } }';
    const { id } = (await server.gql(made)).data.createTenant.tenant;
    await server.gql(`mutation {
      setTenantLimits(input: { tenantId: "${id}", tier: PRO, reason: "a note" }) { id }
      suspendTenant(tenantId: "${id}", reason: "a suspicion") { id }
    }`);
    const read = async (key: string) => (await server.gql(made, { key })).data.createTenant.tenant;
    expect(await read(secrets.get('PROVISION') as string)).toEqual({
      id,
      suspendedReason: null,
      limitOverrides: { reason: null, author: null },
    });
    expect((await read(secrets.get('OWNER') as string)).suspendedReason).toBe('a suspicion');
  });

  it('is not guessed: an empty id of a tenant is an error, not the lack of one', async () => {
    for (const query of [
      '{ auditLog(tenantId: "") { edges { cursor } } }',
      '{ apiKeys(tenantId: "") { id } }',
      'mutation { revokeApiKey(tenantId: "", id: "x") { id } }',
      'mutation { createApiKey(input: { tenantId: "", name: "k", scopes: [ENFORCE] }) { secret } }',
    ])
      expect(await codeOf(query, secrets.get('OWNER') as string), query).toBe('BAD_USER_INPUT');
  });

  it('says in the error which roles would be enough', async () => {
    const key = secrets.get('READ') as string;
    const { errors } = await server.gql('mutation { replayWebhookEvent(id: "evt_none") { id } }', { key });
    expect(errors[0]?.message).toBe('This operator key has the role READ; this needs SUPPORT or OWNER');
  });
});

describe("an operator's key", () => {
  it('is listed without its secret, rotated with its role, and revoked at once', async () => {
    const { id, secret } = await operatorKey('SUPPORT');
    const { data: rotated } = await server.gql(
      `mutation { rotateOperatorKey(id: "${id}", overlapSeconds: 0) { secret operatorKey { id role name } } }`,
    );
    const next = rotated.rotateOperatorKey;
    expect(next.operatorKey).toMatchObject({ role: 'SUPPORT', name: 'SUPPORT' });
    expect(await codeOf('{ tenants { edges { cursor } } }', secret)).toBe('UNAUTHENTICATED');
    expect(await codeOf('{ tenants { edges { cursor } } }', next.secret)).toBe('OK');
    await server.gql(`mutation { revokeOperatorKey(id: "${next.operatorKey.id}") { revokedAt } }`);
    expect(await codeOf('{ tenants { edges { cursor } } }', next.secret)).toBe('UNAUTHENTICATED');
    const { data } = await server.gql('{ operatorKeys { id name role revokedAt rotatedTo } }');
    expect(data.operatorKeys).toContainEqual(expect.objectContaining({ id, rotatedTo: next.operatorKey.id }));
    expect(JSON.stringify(data)).not.toContain(next.secret);
  });

  it('is not among the keys of services, nor can it be revoked as one', async () => {
    const { id } = await operatorKey('READ');
    const { data } = await server.gql('{ apiKeys { id } }');
    expect(data.apiKeys).not.toContainEqual({ id });
    expect(await codeOf(`mutation { revokeApiKey(id: "${id}") { id } }`, tenant.key)).toBe('NOT_FOUND');
  });

  it('that has neither a role nor a tenant nor the scope ENFORCE is rejected', async () => {
    const { id, secret } = await operatorKey('READ');
    await server.app.models.apiKeys.updateOne({ _id: id }, { role: null });
    const { status, errors } = await server.gql('{ tiers { name } }', { key: secret });
    expect(status).toBe(401);
    expect(errors[0]?.message).toContain('neither a role nor the scope ENFORCE');
  });

  it('that expires makes no key of operators or services that works longer, but lasting ones of tenants', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    const make = async (input: object, key?: string) => {
      const { data, errors } = await server.gql(
        'mutation ($input: CreateOperatorKeyInput!) { createOperatorKey(input: $input) { secret operatorKey { id expiresAt } } }',
        { variables: { input: { name: 'k', role: 'OWNER', ...input } }, ...(key && { key }) },
      );
      return errors[0]?.extensions.code ?? data.createOperatorKey;
    };
    const { secret: key } = await make({ expiresAt });
    expect(await make({}, key)).toMatchObject({ operatorKey: { expiresAt } });
    expect(await make({ expiresAt: new Date(Date.now() + 3_700_000) }, key)).toBe('FORBIDDEN');
    const { id } = await operatorKey('READ');
    const rotate = `mutation { rotateOperatorKey(id: "${id}", overlapSeconds: 0) { secret } }`;
    expect(await codeOf(rotate, key)).toBe('FORBIDDEN');
    const { data } = await server.gql(
      `mutation {
        forService: createApiKey(input: { name: "k", scopes: [ENFORCE] }) { apiKey { expiresAt } }
        forTenant: createApiKey(input: { name: "k", tenantId: "${tenant.id}" }) { apiKey { expiresAt } }
      }`,
      { key },
    );
    expect(data).toEqual({
      forService: { apiKey: { expiresAt } },
      forTenant: { apiKey: { expiresAt: null } },
    });
  });
});

describe("where there is no ADMIN_API_KEY, the last OWNER's key that never expires", () => {
  let bare: TestServer;
  let last: { id: string; secret: string };

  beforeAll(async () => {
    bare = await startTestServer({ config: { adminApiKeys: [] } });
    const { operatorKey: first } = await bare.app.services.tenants.createFirst({ name: 'Demo' }, true);
    last = { id: first?.apiKey._id as string, secret: first?.secret as string };
  });
  afterAll(() => bare.stop());

  async function ask(field: string) {
    const { data, errors } = await bare.gql(`mutation { made: ${field} }`, { key: last.secret });
    expect(errors).toEqual([]);
    return { id: data.made.operatorKey.id, secret: data.made.secret };
  }
  const create = (expiry = '') =>
    ask(`createOperatorKey(input: { name: "another", role: OWNER ${expiry} }) { secret operatorKey { id } }`);
  const revoke = async (id: string) => {
    const { errors } = await bare.gql(`mutation { revokeOperatorKey(id: "${id}") { id } }`, {
      key: last.secret,
    });
    return errors[0]?.extensions.code ?? 'OK';
  };

  it('cannot be revoked until there is another one', async () => {
    expect(await revoke(last.id)).toBe('BAD_USER_INPUT');
    const next = await create();
    expect(await revoke(last.id)).toBe('OK');
    last = next;
  });

  it('cannot be revoked if the other one expires', async () => {
    const brief = await create(`expiresAt: "${new Date(Date.now() + 3_600_000).toISOString()}"`);
    expect(await revoke(last.id)).toBe('BAD_USER_INPUT');
    expect(await revoke(brief.id)).toBe('OK');
  });

  it('cannot be revoked while the key that it replaces still works', async () => {
    const old = last;
    last = await ask(
      `rotateOperatorKey(id: "${old.id}", overlapSeconds: 3600) { secret operatorKey { id } }`,
    );
    expect(await revoke(last.id)).toBe('BAD_USER_INPUT');
    expect(await revoke(old.id)).toBe('OK');
  });

  it('is one of two that are revoked at the same moment', async () => {
    const other = await create();
    const { apiKeys } = bare.app.services;
    const owner = { kind: 'operator', role: OperatorRole.OWNER, keyId: null, expiresAt: null } as const;
    const results = await Promise.allSettled(
      [last, other].map(({ id }) => apiKeys.revoke('operators', id, owner, authorOf(owner, null))),
    );
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const rejected = results.find((result) => result.status === 'rejected');
    expect(rejected?.reason).toMatchObject({ extensions: { code: 'BAD_USER_INPUT' } });
  });
});

describe('an external id', () => {
  const create = (externalId: string, name = 'A customer') =>
    server.gql(
      'mutation ($input: CreateTenantInput!) { createTenant(input: $input) { tenant { id name externalId } apiKey { secret } } }',
      { variables: { input: { name, externalId } } },
    );

  it('makes sign-up idempotent: the same tenant, unchanged, and no second key', async () => {
    const first = (await create('user-1', 'First')).data.createTenant;
    expect(first).toMatchObject({ tenant: { name: 'First', externalId: 'user-1' } });
    expect(first.apiKey.secret).toMatch(/^ctm_/);
    const again = (await create('user-1', 'Second')).data.createTenant;
    expect(again).toEqual({ tenant: first.tenant, apiKey: null });
  });

  it('makes one tenant of many parallel sign-ups, and one key', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => create('user-2')));
    const made = answers.map(({ data }) => data.createTenant);
    expect(new Set(made.map(({ tenant: { id } }) => id)).size).toBe(1);
    expect(made.filter(({ apiKey }) => apiKey !== null)).toHaveLength(1);
    const { id } = made[0].tenant;
    expect(await server.app.models.apiKeys.countDocuments({ tenantId: id })).toBe(1);
  });

  it('names the tenant in every field of the operator', async () => {
    const { id } = (await create('user-3')).data.createTenant.tenant;
    const named = 'externalId: "user-3"';
    const { data, errors } = await server.gql(
      `{ tenant(${named}) { id } apiKeys(${named}) { name } alerts(${named}) { edges { cursor } } usageReports(${named}) { edges { cursor } } paymentMethods(${named}) { id } }`,
    );
    expect(errors).toEqual([]);
    expect(data).toMatchObject({ tenant: { id }, apiKeys: [{ name: 'first key' }] });
    const changed = await server.gql(
      `mutation { setTenantLimits(input: { ${named}, tier: PRO }) { id } createApiKey(input: { ${named}, name: "second" }) { secret }
         recordUsage(${named}, events: [{ id: "1", endpoint: "x", quantity: 1 }]) { status } setStored(input: { ${named}, resource: "bytes", amount: 0 }) }`,
    );
    expect(changed.errors).toEqual([]);
    expect(changed.data.setTenantLimits.id).toBe(id);
  });

  it('must name one tenant: neither two ids, none, nor an unknown one', async () => {
    const code = async (named: string) =>
      (await server.gql(`{ alerts${named} { edges { cursor } } }`)).errors[0]?.extensions.code;
    expect(await code('')).toBe('BAD_USER_INPUT');
    expect(await code(`(tenantId: "${tenant.id}", externalId: "user-1")`)).toBe('BAD_USER_INPUT');
    expect(await code('(externalId: "nobody")')).toBe('NOT_FOUND');
    expect(await code('(externalId: " padded ")')).toBe('BAD_USER_INPUT');
  });

  it("of another tenant is FORBIDDEN for a tenant's key, and its own is not", async () => {
    const own = (await create('user-4')).data.createTenant;
    await create('user-5');
    const { secret: key } = own.apiKey;
    expect(await codeOf('{ tenant(externalId: "user-5") { id } }', key)).toBe('FORBIDDEN');
    expect(await codeOf('{ tenant(externalId: "user-4") { id } }', key)).toBe('OK');
    expect(await codeOf('{ tenant(externalId: "user-none") { id } }', key)).toBe('FORBIDDEN');
  });
});
