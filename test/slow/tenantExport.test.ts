import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TENANT_DOCUMENTS } from '../../src/services/tenantData/tenantDocuments.js';
import { settled, subscribe } from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

interface Line {
  collection: string;
  // biome-ignore lint/suspicious/noExplicitAny: records are what the tests look into
  record: any;
}

const EXPORT = 'mutation ($id: ID) { exportTenant(tenantId: $id) { url expiresAt } }';

const clock = createFakeClock(Date.now());
const logLines: string[] = [];
let server: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  const log = pino({ level: 'debug' }, { write: (line: string) => void logLines.push(line) });
  server = await startTestServer({ clock, log });
});
afterAll(() => server.stop());
beforeEach(async () => {
  tenant = await server.createTenant();
});

async function linkOf({ id }: TestTenant): Promise<string> {
  const { data, errors } = await server.gql(EXPORT, { variables: { id } });
  expect(errors).toEqual([]);
  return data.exportTenant.url;
}

async function createOperatorKey(): Promise<{ id: string; secret: string }> {
  const { data, errors } = await server.gql(
    'mutation { createOperatorKey(input: { name: "k", role: OWNER }) { secret operatorKey { id } } }',
  );
  expect(errors).toEqual([]);
  const { secret, operatorKey } = data.createOperatorKey;
  return { id: operatorKey.id, secret };
}

async function download(url: string): Promise<{ text: string; lines: Line[] }> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  const text = await response.text();
  return { text, lines: linesOf(text) };
}

const linesOf = (text: string): Line[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

const recordsOf = (lines: readonly Line[], name: string) =>
  lines.filter(({ collection }) => collection === name).map(({ record }) => record);

/** A tenant with a document in every collection that has some of tenants. */
async function useEverything({ id, key }: TestTenant): Promise<void> {
  await subscribe(server, key);
  await settled(server);
  const { errors } = await server.gql(
    `mutation ($now: DateTime!) {
      storeMemory(input: { content: "a text", embedding: [0.5, -1], metadata: { colour: "red" } }) { id }
      consume(input: { endpoint: "jobs.heavy", cost: 2 }) { allowed }
      recordUsage(events: [{ id: "event-1", endpoint: "mail", quantity: 3, at: $now }]) { status }
      reportUsage(input: { quantity: 7, idempotencyKey: "report-1" }) { quantity }
    }`,
    { key, variables: { now: new Date(clock.now()) } },
  );
  expect(errors).toEqual([]);
  await server.gql('mutation { consume(input: { endpoint: "extraction", cost: 1000 }) { allowed } }', {
    key,
  });
  await server.app.services.activity.flush();
  await server.setLimits(id, { maxMemories: 1 });
  await server.app.services.alertReview.review(id);
}

describe('the archive of a tenant', () => {
  it('has a record of everything that is stored of it, without secrets', async () => {
    await useEverything(tenant);
    const { text, lines } = await download(await linkOf(tenant));
    expect(recordsOf(lines, 'archive')).toMatchObject([
      { format: 'continuum-tenant-export', version: 1, tenantId: tenant.id },
    ]);
    expect(recordsOf(lines, 'tenant')).toMatchObject([
      { id: tenant.id, contract: { limits: { maxMemories: 1 } } },
    ]);
    expect(recordsOf(lines, 'apiKey')).toMatchObject([{ id: tenant.keyId, name: 'first key' }]);
    expect(recordsOf(lines, 'customer')).toMatchObject([
      { stripeCustomerId: expect.stringMatching(/^cus_/) },
    ]);
    expect(recordsOf(lines, 'subscription')).toMatchObject([{ tier: 'PRO', status: 'active' }]);
    expect(recordsOf(lines, 'usageDay')).toMatchObject([{ endpoints: { 'jobs.heavy': 2, mail: 3 } }]);
    expect(recordsOf(lines, 'usageEvents')).toMatchObject([{ events: [{ id: 'event-1', quantity: 3 }] }]);
    expect(recordsOf(lines, 'usageReport')).toMatchObject([{ id: 'report-1', quantity: 7 }]);
    expect(recordsOf(lines, 'alert')).toContainEqual(
      expect.objectContaining({ kind: 'MEMORIES', level: 100 }),
    );
    expect(recordsOf(lines, 'rejection')).toMatchObject([
      { code: 'BAD_USER_INPUT', reason: 'extraction', count: 1 },
    ]);
    expect(recordsOf(lines, 'storage')).toMatchObject([{ memories: 1, embeddings: 1 }]);
    expect(recordsOf(lines, 'memory')).toMatchObject([
      {
        id: expect.stringMatching(/^mem_/),
        content: 'a text',
        embedding: [0.5, -1],
        metadata: { colour: 'red' },
      },
    ]);
    expect(recordsOf(lines, 'webhookEvent').map(({ type }) => type)).toContain(
      'customer.subscription.created',
    );
    expect(recordsOf(lines, 'auditEntry').map(({ action }) => action)).toContain('tenant.exported');
    const secrets = [tenant.key.split('_').at(-1) as string, '"hash":{', 'salt', '"tag"'];
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
  });

  it('has every kind of record that the documentation names, and ends with their numbers and a checksum', async () => {
    await useEverything(tenant);
    const { text, lines } = await download(await linkOf(tenant));
    const [end] = recordsOf(lines, 'end');
    expect(lines.at(-1)?.collection).toBe('end');
    const kinds = Object.values(TENANT_DOCUMENTS).flatMap((documents) =>
      typeof documents === 'string' || 'not' in documents.exported ? [] : documents.exported.kinds,
    );
    const names = [...new Set(kinds)];
    expect(Object.keys(end.counts).toSorted()).toEqual(names.toSorted());
    for (const name of names) expect([name, end.counts[name]]).toEqual([name, recordsOf(lines, name).length]);
    expect(Object.entries(end.counts).filter(([, count]) => count === 0)).toEqual([]);
    const before = text.slice(0, text.lastIndexOf('{"collection":"end"'));
    expect(end.sha256).toBe(createHash('sha256').update(before).digest('hex'));
  });

  it("has neither the operator's notes nor the ids of its keys", async () => {
    const { id, secret } = await createOperatorKey();
    for (const field of [
      `suspendTenant(tenantId: "${tenant.id}", reason: "an ocelot") { id }`,
      `reinstateTenant(tenantId: "${tenant.id}") { id }`,
      `setTenantLimits(input: { tenantId: "${tenant.id}", limits: { maxMemories: 9 }, reason: "an ocelot" }) { id }`,
    ]) {
      const { errors } = await server.gql(`mutation { ${field} }`, { key: secret });
      expect(errors).toEqual([]);
    }
    const { data } = await server.gql(EXPORT, { key: tenant.key });
    const { text, lines } = await download(data.exportTenant.url);
    expect(recordsOf(lines, 'auditEntry')).toContainEqual(
      expect.objectContaining({
        actor: 'operator',
        action: 'limits.changed',
        after: { tier: null, limits: { maxMemories: 9 }, until: null },
      }),
    );
    expect(['ocelot', 'operator:', id].filter((hidden) => text.includes(hidden))).toEqual([]);
  });

  it('has nothing of another tenant', async () => {
    const other = await server.createTenant('Zanzibar Ltd');
    await useEverything(other);
    const { text } = await download(await linkOf(tenant));
    expect(text).not.toContain(other.id);
    expect(text).not.toContain('Zanzibar');
  });
});

describe('a link', () => {
  it('works again until it expires', async () => {
    const url = await linkOf(tenant);
    await download(url);
    await download(url);
    clock.advance(16 * 60_000);
    const late = await fetch(url);
    expect([late.status, await late.json()]).toMatchObject([404, { error: { code: 'NOT_FOUND' } }]);
  });

  it('ends with the key that made it, as if it had expired', async () => {
    const operatorKey = await createOperatorKey();
    const expired = await (await fetch(`${server.url}/v1/tenants/export/x`)).json();
    for (const { key, revoke } of [
      { key: tenant.key, revoke: `revokeApiKey(tenantId: "${tenant.id}", id: "${tenant.keyId}") { id }` },
      { key: operatorKey.secret, revoke: `revokeOperatorKey(id: "${operatorKey.id}") { id }` },
    ]) {
      const { data } = await server.gql(EXPORT, { key, variables: { id: tenant.id } });
      const { url } = data.exportTenant;
      await download(url);
      expect((await server.gql(`mutation { ${revoke} }`)).errors).toEqual([]);
      const ended = await fetch(url);
      expect([ended.status, await ended.json()]).toEqual([404, expired]);
    }
    await download(await linkOf(tenant));
  });

  it('that was altered, or signed for something else, is not accepted', async () => {
    const url = await linkOf(tenant);
    const [version, keyId, payload, signature] = url.slice(url.lastIndexOf('/') + 1).split('.');
    const other = Buffer.from(JSON.stringify(['ten_other', clock.now() + 60_000])).toString('base64url');
    for (const token of [
      `${version}.${keyId}.${other}.${signature}`,
      `${version}.${keyId}.${payload}.`,
      'x',
    ]) {
      const { status } = await fetch(`${server.url}/v1/tenants/export/${token}`);
      expect(status).toBe(404);
    }
  });

  it('is in no log', async () => {
    const url = await linkOf(tenant);
    await download(url);
    const token = url.slice(url.lastIndexOf('/') + 1);
    expect(logLines.some((line) => line.includes('/v1/tenants/export/:token'))).toBe(true);
    expect(logLines.filter((line) => line.includes(token))).toEqual([]);
  });

  it("is made for a tenant's own key only with the scopes of all that it reads", async () => {
    const { data } = await server.gql(EXPORT, { key: tenant.key });
    expect((await download(data.exportTenant.url)).lines[0]?.record.tenantId).toBe(tenant.id);
    const { data: created } = await server.gql(
      'mutation { createApiKey(input: { name: "k", scopes: [READ, KEYS] }) { secret } }',
      { key: tenant.key },
    );
    const narrow = await server.gql(EXPORT, { key: created.createApiKey.secret });
    expect(narrow.errors[0]?.extensions.code).toBe('FORBIDDEN');
    const other = await server.createTenant();
    const foreign = await server.gql(EXPORT, { key: tenant.key, variables: { id: other.id } });
    expect(foreign.errors[0]?.extensions.code).toBe('FORBIDDEN');
  });
});

describe('a large archive', () => {
  const MEMORIES = 400;

  /** A client that reads only on request. */
  async function openSlowly(url: string): Promise<IncomingMessage> {
    const [response] = (await once(get(url), 'response')) as [IncomingMessage];
    expect(response.statusCode).toBe(200);
    return response;
  }

  beforeEach(async () => {
    await server.app.models.memories.collection.insertMany(
      Array.from({ length: MEMORIES }, (_, i) => ({
        _id: `${tenant.id}:mem_${i}`,
        tenantId: tenant.id,
        content: 'x'.repeat(100_000),
        bytes: 100_000,
        createdAt: new Date(clock.now()),
      })) as never[],
    );
  });

  it('is read only as fast as its client reads, one at a time, and a cut download lacks its end', async () => {
    const url = await linkOf(tenant);
    const response = await openSlowly(url);
    // Everything but what fits into the buffers of both ends waits in the database.
    const second = await fetch(url);
    expect([second.status, await second.json()]).toMatchObject([
      503,
      { error: { code: 'SERVICE_UNAVAILABLE' } },
    ]);
    expect(second.headers.get('retry-after')).not.toBeNull();
    const other = await server.createTenant();
    await download(await linkOf(other));
    let bytes = 0;
    for await (const chunk of response) {
      bytes += chunk.length;
      if (bytes > 1_000_000) break;
    }
    response.destroy();
    // The server notices that the client has gone.
    await expect.poll(async () => (await fetch(url)).status).toBe(200);
  });

  it('comes whole, compressed if the client accepts that', async () => {
    const url = await linkOf(tenant);
    const response = await fetch(url, { headers: { 'accept-encoding': 'gzip' } });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    const lines = linesOf(await response.text());
    expect(recordsOf(lines, 'memory').length).toBe(MEMORIES);
    expect(lines.at(-1)?.collection).toBe('end');
    await expect
      .poll(async () =>
        (await fetch(url, { headers: { 'accept-encoding': 'identity' } })).headers.get('content-encoding'),
      )
      .toBeNull();
  });
});
