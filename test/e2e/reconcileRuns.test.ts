import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLease } from '../../src/services/infrastructure/lease.js';
import { mockOf, settled, stripeOf, subscribe, subscriptionOf } from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer } from '../support/server.js';

const RUN = `id trigger startedBy status dryRun startedAt finishedAt phase progress
  compared { phase compared } outOfSync ended unseen stopReason error repairs(first: 5) { kind object tenantId found }`;
const EVENTS = { method: 'GET', path: '/v1/events' };

const clock = createFakeClock('2026-11-22T12:00:00Z');
let server: TestServer;
/** Another instance on the same database. */
let other: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock });
  other = await startTestServer({ clock, uri: server.uri });
});
afterAll(async () => {
  await other.stop();
  await server.stop();
});
afterEach(() => {
  for (const one of [server, other]) mockOf(one).clearFailures();
  clock.advance(60_000);
});

const start = (of = server, input = '{}', requestId = 'req-start') =>
  of.gql(`mutation { startReconcile(input: ${input}) { ${RUN} } }`, {
    headers: { 'x-request-id': requestId },
  });

async function runOf(id: string, of = server) {
  const { data, errors } = await of.gql(`query ($id: ID!) { reconcileRun(id: $id) { ${RUN} } }`, {
    variables: { id },
  });
  expect(errors).toEqual([]);
  return data.reconcileRun;
}

/** Resolves when the run is not under way any more. */
async function ended(id: string) {
  for (;;) {
    const run = await runOf(id);
    if (run.status !== 'RUNNING') return run;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function outOfSync() {
  const tenant = await server.createTenant();
  await subscribe(server, tenant.key);
  await settled(server);
  const { stripeSubscriptionId: id } = await subscriptionOf(server, tenant.key);
  mockOf(server).disturbWebhooks({ seed: 1, dropped: 1 });
  await stripeOf(server).subscriptions.update(id, { cancel_at_period_end: true });
  await settled(server);
  mockOf(server).disturbWebhooks(null);
  return { ...tenant, subscriptionId: id as string };
}

const auditedBy = async (requestId: string) =>
  (await server.app.models.auditEntries.find({ chain: 'operators', requestId }).lean()).map(
    ({ action }) => action,
  );

describe('a reconcile that an operator starts', () => {
  it('answers at once, shows how far it is on every instance, and says what it repaired', async () => {
    const { id: tenantId, key, subscriptionId } = await outOfSync();
    mockOf(server).failNext({ kind: 'slow', delayMs: 400, ...EVENTS });
    const { data, errors } = await start();
    expect(errors).toEqual([]);
    const { id } = data.startReconcile;
    expect(data.startReconcile).toMatchObject({
      trigger: 'OPERATOR',
      startedBy: 'operator:ADMIN_API_KEY',
      status: 'RUNNING',
      finishedAt: null,
    });
    expect(await auditedBy('req-start')).toEqual(['reconcile.started']);
    for (let progress = 0; ; ) {
      const run = await runOf(id, other);
      if (run.phase === 'EVENTS') {
        expect(run).toMatchObject({ status: 'RUNNING', outOfSync: 1 });
        expect(run.progress).toBeGreaterThan(0.8);
        break;
      }
      expect(run.progress).toBeGreaterThanOrEqual(progress);
      ({ progress } = run);
    }
    const done = await ended(id);
    expect(done).toMatchObject({ status: 'FINISHED', phase: null, progress: 1, error: null, ended: 0 });
    expect(done.repairs[0]).toMatchObject({ kind: 'SUBSCRIPTION', object: subscriptionId, tenantId });
    expect(done.compared.map(({ phase }: { phase: string }) => phase)).toEqual([
      'ENDINGS',
      'UNSEEN',
      'SUBSCRIPTIONS',
      'CUSTOMERS',
      'GONE',
      'EVENTS',
    ]);
    expect((await subscriptionOf(server, key)).cancelAtPeriodEnd).toBe(true);
  });

  it('is one for all instances: whoever asks meanwhile gets it, and nothing is noted', async () => {
    mockOf(server).failNext({ kind: 'slow', delayMs: 400, ...EVENTS });
    const { id } = (await start()).data.startReconcile;
    const [here, there] = await Promise.all([
      start(server, '{}', 'req-here'),
      start(other, '{ dryRun: true }', 'req-there'),
    ]);
    expect([here.errors, there.errors]).toEqual([[], []]);
    expect([here.data.startReconcile.id, there.data.startReconcile.id]).toEqual([id, id]);
    expect([...(await auditedBy('req-here')), ...(await auditedBy('req-there'))]).toEqual([]);
    await expect(server.app.services.reconcile.run({ dryRun: true })).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
    });
    expect((await ended(id)).status).toBe('FINISHED');
    // Several first ones at the same time are one, too.
    for (const one of [server, other]) mockOf(one).failNext({ kind: 'slow', delayMs: 400, ...EVENTS });
    const ids = await Promise.all(
      [server, other, server, other].map(async (one) => (await start(one)).data.startReconcile.id),
    );
    expect(new Set(ids).size).toBe(1);
    expect((await ended(ids[0])).id).not.toBe(id);
  });

  it('that only looks changes nothing', async () => {
    const { key } = await outOfSync();
    const { id } = (await start(server, '{ dryRun: true }')).data.startReconcile;
    const done = await ended(id);
    expect(done).toMatchObject({ status: 'FINISHED', dryRun: true });
    expect(done.outOfSync).toBeGreaterThan(0);
    expect((await subscriptionOf(server, key)).cancelAtPeriodEnd).toBe(false);
  });

  it('is interrupted when Stripe is away, says why, and the next one goes on where it was', async () => {
    const { key } = await outOfSync();
    mockOf(server).failNext({ kind: 'connection', ...EVENTS, times: 20 });
    const { id } = (await start()).data.startReconcile;
    const cut = await ended(id);
    expect(cut).toMatchObject({ status: 'INTERRUPTED', phase: 'EVENTS', finishedAt: null });
    expect(cut.error).toMatch(/connect/i);
    // What it had repaired stays.
    expect((await subscriptionOf(server, key)).cancelAtPeriodEnd).toBe(true);
    mockOf(server).clearFailures();
    const again = (await start(server, '{}', 'req-again')).data.startReconcile;
    expect(again).toMatchObject({ id, status: 'RUNNING', error: null });
    expect(await auditedBy('req-again')).toEqual(['reconcile.resumed']);
    expect((await ended(id)).status).toBe('FINISHED');
  });

  it('whose server died is not shown as running, and is resumed', async () => {
    await server.app.models.reconcileRuns.create({
      _id: 'rec_dead',
      dryRun: false,
      startedAt: new Date(clock.now()),
      phase: 'customers',
      cursor: null,
      seen: { subscriptions: 3 },
      giving: 3,
      mendedCount: 0,
      mended: [],
    });
    expect(await runOf('rec_dead')).toMatchObject({
      status: 'INTERRUPTED',
      trigger: null,
      phase: 'CUSTOMERS',
    });
    // As long as the lease of the dead server lasts, nobody can know.
    const lease = createLease({ models: server.app.models, name: 'reconcile', ttlMs: 60_000 });
    await lease.acquire();
    expect((await start()).data.startReconcile).toMatchObject({ id: 'rec_dead', status: 'RUNNING' });
    await lease.release();
    expect((await start()).data.startReconcile.id).toBe('rec_dead');
    expect((await ended('rec_dead')).status).toBe('FINISHED');
  });

  it('ends with the server, and the next server goes on', async () => {
    const third = await startTestServer({ clock, uri: server.uri });
    mockOf(third).failNext({ kind: 'slow', delayMs: 300, method: 'GET', path: '/v1/customers' });
    const { id } = (await start(third)).data.startReconcile;
    await third.stop();
    expect(await runOf(id)).toMatchObject({ status: 'INTERRUPTED' });
    expect((await start()).data.startReconcile.id).toBe(id);
    expect((await ended(id)).status).toBe('FINISHED');
  });
});

describe('the list of runs', () => {
  it('is paged, newest first, and needs a role', async () => {
    const seen: string[] = [];
    for (let after: string | null = null; ; ) {
      const { data, errors } = await server.gql(
        'query ($after: String) { reconcileRuns(first: 2, after: $after) { edges { node { id } } pageInfo { endCursor hasNextPage } } }',
        { variables: { after } },
      );
      expect(errors).toEqual([]);
      seen.push(...data.reconcileRuns.edges.map(({ node }: { node: { id: string } }) => node.id));
      if (!data.reconcileRuns.pageInfo.hasNextPage) break;
      after = data.reconcileRuns.pageInfo.endCursor;
    }
    const stored = await server.app.models.reconcileRuns.find().sort({ startedAt: -1, _id: -1 }).lean();
    expect(seen).toEqual(stored.map(({ _id }) => _id));
    expect(seen.length).toBeGreaterThan(4);
    const codeOf = async (query: string, key?: string) =>
      (await server.gql(query, key ? { key } : {})).errors[0]?.extensions.code;
    expect(await codeOf('{ reconcileRuns(after: "bm9uZQ") { edges { cursor } } }')).toBe('BAD_USER_INPUT');
    expect(await codeOf('{ reconcileRun(id: "rec_none") { id } }')).toBe('NOT_FOUND');
    const { key } = await server.createTenant();
    expect(await codeOf('{ reconcileRuns { edges { cursor } } }', key)).toBe('FORBIDDEN');
    const { data } = await server.gql(
      'mutation { createOperatorKey(input: { name: "r", role: READ }) { secret } }',
    );
    expect(await codeOf('mutation { startReconcile { id } }', data.createOperatorKey.secret)).toBe(
      'FORBIDDEN',
    );
  });
});
