import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { createServiceKey } from '../support/federation.js';
import { usageDayOf } from '../support/ledger.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

/** Why a collection needs no expiry, each with the words of the table that say its bound. */
const BOUNDED_OTHERWISE = new Map([
  ['tenants', 'one document each'],
  ['billing_customers', 'one document each'],
  ['billing_subscriptions', 'one document each'],
  ['announced_states', 'one document each'],
  ['tenant_standings', 'one document each'],
  ['tenant_counts', 'one document'],
  ['ledgers', 'one document'],
  ['memories', 'the tier’s quota'],
  ['usage_days', '432 days'],
  ['webhook_endpoints', '20'],
  ['audit_entries', 'AUDIT_RETENTION_DAYS'],
  ['audit_personal_values', 'AUDIT_RETENTION_DAYS'],
  ['audit_chains', 'one, and one of the operators'],
]);
const DAY_MS = 86_400_000;

const clock = createFakeClock('2026-11-26T12:00:00Z');
let server: TestServer;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer({ clock, env: { MAX_USAGE_EVENTS_PER_DAY: '5' } });
  tenant = await server.createTenant();
});
afterAll(() => server.stop());

const table = readFileSync('docs/bounds.md', 'utf8');

describe('every collection', () => {
  it('expires by an index or has a bound, and is in the table of docs/bounds.md', () => {
    for (const { schema, collection } of Object.values(server.app.models.connection.models)) {
      const row = table
        .split('\n')
        .find((line) => line.startsWith('| `') && line.includes(`\`${collection.name}\``));
      expect(row, collection.name).toBeDefined();
      const expires = schema.indexes().some(([, options]) => options?.expireAfterSeconds !== undefined);
      const bound = BOUNDED_OTHERWISE.get(collection.name);
      expect(expires || bound !== undefined, `${collection.name} neither expires nor is bounded`).toBe(true);
      if (bound) expect(row?.replaceAll("'", '’')).toContain(bound);
    }
  });
});

describe('a tenant', () => {
  it('keeps the newest 200 of its keys that no longer work, however many it makes', async () => {
    const { apiKeys } = server.app.models;
    const key = await apiKeys.findById(tenant.keyId).lean();
    const ended = Array.from({ length: 300 }, (_, i) => ({
      ...key,
      _id: `${tenant.id}-ended-${i}`,
      createdAt: new Date(clock.now() - (i + 1) * 1_000),
      revokedAt: new Date(clock.now()),
    }));
    await apiKeys.insertMany(ended);
    const { errors } = await server.gql('mutation { createApiKey(input: { name: "one more" }) { secret } }', {
      key: tenant.key,
    });
    expect(errors).toEqual([]);
    const kept = await apiKeys.find({ tenantId: tenant.id, revokedAt: { $ne: null } }).lean();
    expect(kept).toHaveLength(200);
    expect(kept.some(({ _id }) => _id === `${tenant.id}-ended-0`)).toBe(true);
    expect(await apiKeys.countDocuments({ tenantId: tenant.id, revokedAt: null })).toBe(2);
  });

  it('has so many events of a day: more are rejected with what to do, and those recorded stay duplicates', async () => {
    const record = async (ids: string[], at: string | null = null) => {
      const { data } = await server.gql(
        'mutation ($events: [UsageEventInput!]!) { recordUsage(events: $events) { id status reason } }',
        {
          key: tenant.key,
          variables: { events: ids.map((id) => ({ id, endpoint: 'jobs', quantity: 1, at })) },
        },
      );
      return data.recordUsage as { status: string; reason: string | null }[];
    };
    const statuses = (answers: { status: string }[]) => answers.map(({ status }) => status);
    expect(statuses(await record(['a', 'b', 'c']))).toEqual(Array(3).fill('ACCEPTED'));
    const more = await record(['a', 'd', 'e', 'f', 'g']);
    expect(statuses(more).filter((status) => status === 'REJECTED').length).toBeGreaterThan(0);
    expect(more.at(-1)?.reason).toMatch(/5 events already.*quantity/);
    expect(statuses(await record(['a', 'b', 'c']))).toEqual(Array(3).fill('DUPLICATE'));
    expect(statuses(await record(['y'], '2026-11-25T12:00:00Z'))).toEqual(['ACCEPTED']);
    const day = await usageDayOf(server.app.models, `${tenant.id}:2026-11-26`);
    expect(day?.recordedEvents).toBeLessThanOrEqual(5);
  });

  it('has 500 endpoint names a day, 32 KB of them, also when a service decides its operations', async () => {
    const { id, key } = await server.createTenant();
    await server.setLimits(id, { apiCallsPerDay: 100_000, apiCallsPerMinute: 100_000 });
    const serviceKey = await createServiceKey(server);
    const names = Array.from({ length: 1_000 }, (_, i) => `${String(i).padStart(4, '0')}${'x'.repeat(96)}`);
    const receipts: string[] = [];
    for (const half of [names.slice(0, 500), names.slice(500)]) {
      const operation = {
        apiKey: key,
        scope: 'WRITE',
        charges: half.map((endpoint) => ({ endpoint, cost: 2 })),
        features: [],
        fieldLimits: [],
        stores: [],
      };
      const { data, errors } = await server.gql(
        'mutation ($o: [OperationInput!]!) { decideOperations(operations: $o) { allowed receipt } }',
        { key: serviceKey, variables: { o: [operation] } },
      );
      expect(errors).toEqual([]);
      receipts.push(data.decideOperations[0].receipt);
    }
    const { errors } = await server.gql(
      'mutation ($o: [EndedOperationInput!]!) { endOperations(operations: $o) }',
      {
        key: serviceKey,
        variables: {
          o: [
            {
              receipt: receipts[1],
              unearned: [{ endpoint: names[999], cost: 2 }],
              keptHolds: [],
              releasedHolds: [],
            },
          ],
        },
      },
    );
    expect(errors).toEqual([]);
    const { data } = await server.gql('{ usage { apiCalls byEndpoint { endpoint calls } } }', { key });
    expect(data.usage.apiCalls).toBe(1_998);
    const stored = data.usage.byEndpoint as { endpoint: string; calls: number }[];
    expect(stored.length).toBeLessThanOrEqual(330);
    expect(stored.find(({ endpoint }) => endpoint === '(other)')?.calls).toBeGreaterThan(1_000);
  });

  it('has a thousand reports a day: more are rejected, and one that is there is answered', async () => {
    const report = (idempotencyKey: string) =>
      server.gql(
        'mutation ($k: String!) { reportUsage(input: { quantity: 1, idempotencyKey: $k }) { id } }',
        { key: tenant.key, variables: { k: idempotencyKey } },
      );
    await server.app.models.usageReports.insertMany(
      Array.from({ length: 1_000 }, (_, i) => ({
        _id: `${tenant.id}:report-${i}`,
        tenantId: tenant.id,
        kind: 'MANUAL',
        quantity: 1,
        status: 'REPORTED',
        at: new Date(clock.now()),
        tries: 1,
      })),
    );
    const { status, errors } = await report('one-more');
    expect(status).toBe(400);
    expect(errors[0]?.message).toMatch(/report number 1001 .*combine quantities/);
    expect((await report('report-7')).errors).toEqual([]);
  });
});

describe('usage of long ago', () => {
  it('is deleted once no history can show it', async () => {
    const { usageDays } = server.app.models;
    const dayAgo = (days: number) =>
      `${tenant.id}:${new Date(clock.now() - days * DAY_MS).toISOString().slice(0, 10)}`;
    await usageDays.collection.insertMany(
      [400, 431, 433, 900].map((days) => ({ _id: dayAgo(days) })) as never,
    );
    expect(await server.app.services.historyExpiry.run()).toBe(2);
    const left = await usageDays.find({ _id: { $in: [400, 431, 433, 900].map(dayAgo) } }).lean();
    expect(left.map(({ _id }) => _id).sort()).toEqual([dayAgo(431), dayAgo(400)]);
  });
});
