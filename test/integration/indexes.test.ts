import { ApiKeyScope } from '@continuum-billing/limits/core';
import type { Model, mongo } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createModels, type Models } from '../../src/models/models.js';
import { OutgoingEventType } from '../../src/models/outgoingWebhook.js';
import { UsageReportStatus } from '../../src/models/usageReport.js';
import { WebhookEventStatus } from '../../src/models/webhookEvent.js';
import { entryIdOf } from '../../src/services/audit/auditChain.js';
import { dayNumberOf, dayOf, usageDayId } from '../../src/services/limits/ledger/windows.js';
import { settled, subscribe } from '../support/billing.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';
import { scrape } from '../support/scrape.js';
import { startTestServer, type TestServer } from '../support/server.js';

// The real time, by which MongoDB expires documents. It stands still.
const NOW = new Date();
const PAST = new Date(NOW.getTime() - 600_000);
const LONG_AGO = new Date(NOW.getTime() - 30 * 86_400_000);
const FUTURE = new Date(NOW.getTime() + 400 * 86_400_000);
/** Documents of each kind that have nothing to do: what an index of few must not hold. */
const QUIET = 30;

interface Profiled {
  ns: string;
  command: mongo.Document;
  planSummary?: string;
  docsExamined?: number;
}

type Statement = Profiled & { collection: string };

/** Small and bounded: these are read whole. */
const READ_WHOLE = ['server_instances', 'webhook_endpoints'];
const USED_BY_REQUESTS = [
  'api_keys',
  'memories',
  'field_windows',
  'stripe_rates',
  'ended_receipts',
  'idempotency_keys',
  'sessions',
  'rejections',
];

const clock = createFakeClock(NOW);
let database: TestDatabase & { db: mongo.Db };
let server: TestServer;
let models: Models;
/** What the server does again and again: the callback of every interval that its code has set. */
const periodic: (() => void)[] = [];
/** By collection. */
const documents: Record<string, number> = {};
/** Of sparse and partial indexes, by collection and name. */
const entries: Record<string, number> = {};
/** What periodic work asked of our collections. */
const statements: Statement[] = [];

beforeAll(async () => {
  const connected = await connectTestDatabase();
  database = { ...connected, db: connected.connection.db as mongo.Db };
  const setInterval = globalThis.setInterval;
  vi.spyOn(globalThis, 'setInterval').mockImplementation(((run: () => void, ms: number) => {
    if (/\/src\/(services|common)\//.test(new Error().stack ?? '')) periodic.push(run);
    return setInterval(run, ms);
  }) as typeof setInterval);
  server = await startTestServer({ clock, uri: database.uri });
  models = createModels(connected.connection);
  await fillThroughServices();
  // What is due stays due while indexes are looked at.
  await server.stop();
  await fillThroughModels();
  await validateAll();
  await profilePeriodicWork();
});
afterAll(async () => {
  vi.restoreAllMocks();
  await database?.dropAndClose();
});

async function fillThroughServices(): Promise<void> {
  const { key } = await server.createTenant();
  await subscribe(server, key);
  await settled(server);
  const { errors } = await server.gql(
    `mutation ($now: DateTime!) {
      consume(input: { endpoint: "jobs", idempotencyKey: "once" }) { allowed }
      storeMemory(input: { content: "a text" }) { id }
      recordUsage(events: [{ id: "e1", endpoint: "jobs", quantity: 1, at: $now }]) { status }
    }`,
    { key, variables: { now: NOW } },
  );
  expect(errors).toEqual([]);
  await server.app.services.reconcile.run({ dryRun: true });
  // Otherwise some documents would still be pending in the outbox when the server stops.
  await server.app.services.outgoingWebhooks.run();
}

/** Many documents with nothing to do in every collection, and one in each that periodic work has to find. */
async function fillThroughModels(): Promise<void> {
  const idle = Array.from({ length: QUIET }, (_, i) => `idle_${String(i).padStart(3, '0')}`);
  const insert = async <T>(model: Model<T>, docs: object[]) => {
    await model.collection.insertMany(docs as mongo.OptionalUnlessRequiredId<object>[]);
  };
  const due = 'due_1';
  const [first] = await models.billingSubscriptions.find().lean();
  const all = [...idle, due];
  await insert(
    models.tenants,
    all.map((id) => ({
      _id: id,
      name: id,
      email: null,
      contract: { tier: id === due ? 'PRO' : null, limits: {} },
      createdAt: PAST,
      searchTerms: [id],
      ...(id === due && {
        unannounced: true,
        externalId: 'customer-1',
        suspendedAt: PAST,
        contract: { tier: 'PRO', limits: {}, until: PAST, endUnannounced: true },
        erasure: {
          startedAt: PAST,
          doneOnceAt: PAST,
          completedAt: null,
          nextTryAt: FUTURE,
          tries: 0,
          error: null,
        },
      }),
    })),
  );
  await insert(
    models.apiKeys,
    idle.map((id) => ({
      _id: id,
      tenantId: id,
      scopes: [ApiKeyScope.READ],
      revokedAt: null,
      expiresAt: null,
    })),
  );
  await insert(
    models.billingCustomers,
    all.map((id) => ({
      _id: id,
      stripeCustomerId: null,
      email: null,
      intents: 0,
      openCheckout: null,
      formerStripeIds: [`cus_former_${id}`],
      ...(id === due && { erasedAt: PAST }),
    })),
  );
  await insert(
    models.billingSubscriptions,
    all.map((id) => ({
      ...first,
      _id: id,
      stripeSubscriptionId: `sub_${id}`,
      stripeCustomerId: `cus_${id}`,
      currentPeriodStart: LONG_AGO,
      currentPeriodEnd: FUTURE,
      status: id === due ? 'past_due' : 'canceled',
      pastDueSince: id === due ? PAST : null,
      scheduledTier: id === due ? 'PRO' : null,
      endedAt: id === due ? null : LONG_AGO,
      ...(id === due && {
        unannounced: true,
        overageItems: (first?.overageItems ?? [{ id: 'si_1', priceId: 'price_1', since: PAST }]).map(
          (item) => ({ ...item, periodStart: LONG_AGO, periodEnd: FUTURE }),
        ),
      }),
    })),
  );
  await insert(
    models.publishedStates,
    all.map((id) => ({ _id: id, tier: 'FREE', subscription: 'null' })),
  );
  await insert(
    models.usageDays,
    all.map((id) => ({
      _id: usageDayId(id, dayOf(PAST.getTime())),
      calls: 5,
      sealed: true,
      ...(id === due && { overage: { used: 3, spans: { '0000000000': 3 } }, overageLedger: 'OPEN' }),
    })),
  );
  await insert(
    models.usageReports,
    all.map((id) => ({
      _id: `${id}:manual`,
      tenantId: id,
      kind: 'MANUAL',
      quantity: 1,
      status: id === due ? UsageReportStatus.PENDING : UsageReportStatus.REPORTED,
      at: PAST,
      firstSentAt: id === due ? null : PAST,
      tries: 0,
      ...(id === due && { nextTryAt: PAST }),
    })),
  );
  await insert(
    models.usageAlerts,
    all.map((id) => ({
      _id: `${id}:${dayOf(NOW.getTime())}:API_CALLS_PER_DAY:80`,
      kind: 'API_CALLS_PER_DAY',
      level: 80,
      window: dayOf(NOW.getTime()),
      used: 80,
      limit: 100,
      at: PAST,
      expiresAt: FUTURE,
      ...(id === due && { unannounced: true }),
    })),
  );
  await insert(
    models.usageEventBatches,
    all.map((id) => ({
      _id: `${id}:w1:1`,
      tenantId: id,
      writer: 'w1',
      sequence: 1,
      events: [{ id: 'e1', endpoint: 'jobs', quantity: 1, at: null }],
      recordedAt: PAST,
      expiresAt: FUTURE,
      ...(id === due && { uncounted: true }),
    })),
  );
  await insert(
    models.ledgers,
    all.map((id) => {
      const yesterday = dayNumberOf(PAST.getTime());
      const amounts = { memories: 1, embeddings: 0, bytes: 10 };
      return {
        _id: id,
        windows: { day: { at: yesterday + 1, used: 5 } },
        levels: amounts,
        reservations: id === due ? [{ id: 'r1', at: PAST, amounts }] : [],
        dimensions: null,
        ...(id === due && {
          today: { overage: { used: 3 }, overageLedger: 'OPEN' },
          ended: { at: yesterday, calls: 5 },
        }),
      };
    }),
  );
  const audited = {
    actor: 'system:test',
    action: 'thing.changed',
    before: null,
    after: null,
    requestId: null,
  };
  // Older than retention keeps.
  const atOf = (id: string) => (id === due ? new Date(LONG_AGO.getTime() - 86_400_000) : NOW);
  await insert(
    models.auditChains,
    all.map((id) => ({
      _id: id,
      sequence: 1,
      hash: 'a',
      at: atOf(id),
      oldestAt: atOf(id),
      checkpoint: null,
    })),
  );
  await insert(
    models.auditEntries,
    all.map((id) => ({ ...audited, _id: entryIdOf(id, 1), chain: id, at: atOf(id), hash: 'a' })),
  );
  await insert(
    models.auditPersonalValues,
    all.map((id) => ({ _id: entryIdOf(id, 1), values: [] })),
  );
  await insert(
    models.tenantStandings,
    all.map((id) => ({
      _id: id,
      tier: 'FREE',
      tierVersion: 1,
      paidTier: null,
      monthlyCents: null,
      monthlyOther: null,
      states: [],
      lists: ['*/*', '*/FREE'],
      pastDueSince: id === due ? PAST : null,
      graceEndsAt: id === due ? PAST : null,
      revenueKey: `000000000000:${id}`,
      usageKey: `2026-01:0000000000000005:${id}`,
      ...(id === due && { dueAt: PAST }),
    })),
  );
  await insert(models.sessions, [
    {
      _id: 'of a tenant',
      kind: 'tenant',
      owner: `tenant:${due}`,
      tenantId: due,
      createdAt: PAST,
      expiresAt: FUTURE,
    },
    {
      _id: 'of an operator',
      kind: 'operator',
      owner: 'operator:ADMIN',
      tenantId: null,
      createdAt: PAST,
      expiresAt: FUTURE,
    },
  ]);
  await insert(models.rejections, [
    {
      _id: `${due}:2026-01-01T00:00:a`,
      code: 'RATE_LIMITED',
      reason: 'day',
      by: { i1: 1 },
      expiresAt: FUTURE,
    },
  ]);
  const endpointId = 'we_1';
  await insert(models.webhookEndpoints, [
    {
      _id: endpointId,
      url: 'https://127.0.0.1:9/',
      events: Object.values(OutgoingEventType),
      secret: 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0',
      createdAt: PAST,
    },
  ]);
  await insert(
    models.webhookDeliveries,
    all.map((id) => ({
      _id: `evt_${id}:${endpointId}`,
      endpointId,
      eventId: `evt_${id}`,
      type: OutgoingEventType.TIER_CHANGED,
      body: '{}',
      status: id === due ? 'PENDING' : id === idle[0] ? 'FAILED' : 'DELIVERED',
      tries: 0,
      at: PAST,
      expiresAt: FUTURE,
      ...(id === due && { nextTryAt: PAST }),
    })),
  );
  const event = {
    type: 'charge.succeeded',
    payload: '{}',
    twinId: null,
    object: null,
    lane: 'customer:cus_idle',
    state: WebhookEventStatus.APPLIED,
    attempts: 1,
    nextAttemptAt: PAST,
    claim: null,
    receivedAt: PAST,
    endedAt: PAST,
  };
  await insert(models.webhookEvents, [
    ...idle.map((id) => ({ ...event, _id: `evt_${id}` })),
    {
      ...event,
      _id: 'evt_waiting',
      lane: 'customer:cus_waiting',
      state: WebhookEventStatus.PENDING,
      endedAt: null,
    },
    { ...event, _id: 'evt_pending_in_the_outbox', unannounced: true },
    { ...event, _id: 'evt_failed_payment', type: 'invoice.payment_failed', object: 'in_1' },
    { ...event, _id: 'evt_thin', twinId: 'evt_snapshot' },
  ]);
  await insert(models.fieldWindows, [{ _id: `${due}:Query.memories`, calls: [1], expiresAt: FUTURE }]);
  await insert(models.serverInstances, [{ _id: 'crashed', seenAt: PAST }]);
  await insert(models.leases, [{ _id: 'of another server', holder: 'other', until: PAST }]);
  await insert(models.endedReceipts, [{ _id: `${due}:1`, expiresAt: FUTURE }]);
  await insert(models.stripeRates, [{ _id: 'GET /v1/prices', freeAt: NOW, reservedFreeAt: NOW }]);
}

const collections = () => Object.values(models.connection.models).map((model) => model.collection);

async function validateAll(): Promise<void> {
  for (const collection of collections()) {
    const name = collection.collectionName;
    const validated = await database.db.command({ validate: name });
    documents[name] = validated.nrecords;
    for (const index of await collection.indexes()) {
      if (index.sparse || index.partialFilterExpression)
        entries[`${name} ${index.name}`] = validated.keysPerIndex[index.name as string];
    }
  }
}

async function profilePeriodicWork(): Promise<void> {
  await database.db.createCollection('system.profile', { capped: true, size: 32 * 1_048_576 });
  await database.db.command({ profile: 2 });
  periodic.length = 0;
  const env = { AUDIT_RETENTION_DAYS: '30' };
  server = await startTestServer({ clock, uri: database.uri, env });
  const { auditRetention, usageReporter, historyExpiry, reconcile, outgoingWebhooks, inbox } =
    server.app.services;
  for (const run of periodic) run();
  expect((await scrape(`${server.url}/metrics`)).value('continuum_database_up')).toBe(1);
  // The first pass of an hour looks for open days, later ones for periods that have ended.
  await usageReporter.run();
  await usageReporter.run();
  await historyExpiry.run();
  await auditRetention.run();
  await reconcile.run({ dryRun: false, force: true });
  await outgoingWebhooks.run();
  await inbox.idle(10_000);
  // Waits for what still runs.
  await server.stop();
  await database.db.command({ profile: 0 });
  const profiled = await database.db
    .collection<Profiled>('system.profile')
    .find({ op: { $nin: ['insert', 'getmore'] }, 'command.pipeline.0.$changeStream': { $exists: false } })
    .toArray();
  for (const one of profiled) {
    const collection = one.ns.slice(one.ns.indexOf('.') + 1);
    if (collection in documents) statements.push({ ...one, collection });
  }
}

describe('indexes', () => {
  it('are looked at with documents in every collection', () => {
    expect(Object.keys(documents).length).toBeGreaterThan(20);
    expect(Object.entries(documents).filter(([, count]) => count === 0)).toEqual([]);
  });

  it('that are sparse or partial hold the one document that they are for, and none of the others', () => {
    expect(Object.keys(entries).length).toBeGreaterThan(10);
    expect(Object.entries(entries).filter(([, count]) => count !== 1)).toEqual([]);
  });
});

describe('periodic work', () => {
  const describeAll = (found: Statement[]) =>
    found.map(({ collection, planSummary, command }) => [collection, planSummary, JSON.stringify(command)]);
  const onMany = () => statements.filter(({ collection }) => !READ_WHOLE.includes(collection));

  it('reads or writes every collection but those that only requests use', () => {
    const used = new Set(statements.map(({ collection }) => collection));
    expect(Object.keys(documents).filter((name) => !used.has(name))).toEqual(USED_BY_REQUESTS);
  });

  it('finds its documents by an index, whatever it asks for', () => {
    expect(describeAll(onMany().filter(({ planSummary }) => planSummary?.includes('COLLSCAN')))).toEqual([]);
  });

  it('reads no document that has nothing to do', () => {
    expect(describeAll(onMany().filter(({ docsExamined = 0 }) => docsExamined >= QUIET))).toEqual([]);
  });
});
