import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { WebhookDeliveryDoc } from '../../src/models/outgoingWebhook.js';
import { beginCheckout, customerIdOf, mockOf, press, settled, stripeOf } from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile, PRO_CENTS, pricedCatalogue, SEAT_CENTS } from '../support/teamCatalogue.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const QUOTA = 10;

/** Stripe's clock goes with ours. */
const clock = createFakeClock('2126-11-01T00:00:00Z');
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock, env: { CATALOG_FILE: catalogueFile(pricedCatalogue()) } });
});
afterAll(() => server?.stop());
afterEach(async () => {
  mockOf(server).clearFailures();
  const { data } = await stripeOf(server).subscriptions.list();
  for (const { id } of data) await stripeOf(server).subscriptions.cancel(id);
  await settled(server);
});

/** Nothing is sent: what waits to be sent is what counts. */
async function hook(): Promise<void> {
  const events = '[PAYMENTS_PAUSED, PAYMENTS_RESUMED, SUBSCRIPTION_UPDATED]';
  const { errors } = await server.gql(
    `mutation { createWebhookEndpoint(input: { url: "https://hooks.example.com/billing", events: ${events} }) { secret } }`,
  );
  expect(errors).toEqual([]);
}

/** Time goes by: what is due at Stripe happens, and is known here. */
async function until(moment: number): Promise<void> {
  clock.set(moment);
  await mockOf(server).advanceClock(0);
  await settled(server);
}
const inDays = (days: number) => new Date(clock.now() + days * DAY_MS);
/** The first of a later month. */
const monthStart = (months: number) => {
  const now = new Date(clock.now());
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, 1);
};

/** Bought at the first of a month; its quota is small, and not used yet. */
async function subscriber(input: object = {}): Promise<TestTenant> {
  await until(monthStart(1));
  const tenant = await server.createTenant();
  await press(await beginCheckout(server, tenant.key, input), 'complete');
  await settled(server);
  await server.setLimits(tenant.id, { apiCallsPerDay: QUOTA, apiCallsPerMinute: 1_000_000 });
  return tenant;
}

const FIELDS = 'status tier { name } paymentPause { resumesAt invoices } cancelAtPeriodEnd seats';
const pause = ({ id }: TestTenant, resumesAt: Date | string, key = OPERATOR_KEY) =>
  server.gql(`mutation ($input: PausePaymentsInput!) { pausePayments(input: $input) { ${FIELDS} } }`, {
    key,
    variables: { input: { tenantId: id, resumesAt } },
  });
const resume = ({ key }: TestTenant) => server.gql(`mutation { resumePayments { ${FIELDS} } }`, { key });
const stateOf = async ({ key }: TestTenant) =>
  (await server.gql(`{ subscription { ${FIELDS} } }`, { key })).data.subscription;
async function done(answer: ReturnType<typeof pause>) {
  const { data, errors } = await answer;
  expect(errors).toEqual([]);
  return data;
}
async function rejected(answer: ReturnType<typeof pause>): Promise<string> {
  const { status, errors } = await answer;
  expect(status).toBe(400);
  expect(errors[0]?.extensions?.code).toBe('BAD_USER_INPUT');
  return errors[0]?.message ?? '';
}

const setCap = (tenant: TestTenant, cents: number | null = 10_000) =>
  server.gql(`mutation { setOverage(input: { monthlyCapCents: ${cents} }) { allowedCalls } }`, tenant);
async function use({ key }: TestTenant, cost: number): Promise<boolean> {
  const { data, errors } = await server.gql(
    `mutation { consume(input: { endpoint: "jobs", cost: ${cost} }) { allowed } }`,
    { key },
  );
  expect(errors).toEqual([]);
  return data.consume.allowed;
}
const atStripe = async ({ id }: TestTenant) => {
  const customer = await customerIdOf(server, id);
  const { data } = await stripeOf(server).subscriptions.list({ customer, status: 'all' });
  return data[0] as (typeof data)[0];
};
/** The oldest first. */
const invoicesOf = async ({ id }: TestTenant) => {
  const { data } = await stripeOf(server).invoices.list({
    customer: await customerIdOf(server, id),
    limit: 100,
  });
  return data.toReversed();
};
const paidBy = async (tenant: TestTenant) =>
  (await invoicesOf(tenant)).map(({ status, amount_paid: paid }) => [status, paid]);
const isPaused = (resumesAt: Date) => ({ resumesAt: resumesAt.toISOString(), invoices: 'VOID' });

describe('payments that an operator pauses', () => {
  it('are not made until the date, while the tenant keeps its tier; then the next invoice is paid', async () => {
    const tenant = await subscriber();
    const resumesAt = new Date(monthStart(3) + 10 * DAY_MS);
    const { pausePayments } = await done(pause(tenant, resumesAt));
    const paused = { status: 'ACTIVE', tier: { name: 'PRO' }, paymentPause: isPaused(resumesAt) };
    expect(pausePayments).toMatchObject(paused);
    expect((await atStripe(tenant)).pause_collection).toEqual({
      behavior: 'void',
      resumes_at: resumesAt.getTime() / 1000,
    });
    await until(resumesAt.getTime() - 1_000);
    expect(await stateOf(tenant)).toMatchObject(paused);
    await until(resumesAt.getTime());
    expect(await stateOf(tenant)).toMatchObject({ status: 'ACTIVE', paymentPause: null });
    await until(monthStart(1) + 2 * HOUR_MS);
    // Bought, three months for nothing, paid again.
    expect(await paidBy(tenant)).toEqual([
      ['paid', PRO_CENTS],
      ...Array(3).fill(['void', 0]),
      ['paid', PRO_CENTS],
    ]);
  });

  it('once, though asked for twice, at once or after each other; the audit log has it once', async () => {
    const tenant = await subscriber();
    const resumesAt = inDays(40);
    await Promise.all([done(pause(tenant, resumesAt)), done(pause(tenant, resumesAt))]);
    await done(pause(tenant, resumesAt));
    const entries = await server.app.models.auditEntries
      .find({ chain: tenant.id, action: 'subscription.changed', after: /resumesAt/ })
      .lean();
    expect(entries).toHaveLength(1);
    expect(await rejected(pause(tenant, inDays(50)))).toContain('has paused payments already until');
    expect(await stateOf(tenant)).toMatchObject({ paymentPause: isPaused(resumesAt) });
    for (const _ of [1, 2]) {
      const { resumePayments } = await done(resume(tenant));
      expect(resumePayments).toMatchObject({ status: 'ACTIVE', paymentPause: null });
    }
  });

  it('also when answers to the requests are lost, and what was used before is paid for once', async () => {
    const tenant = await subscriber();
    await done(setCap(tenant));
    await use(tenant, QUOTA + 3_000);
    await until(clock.now() + DAY_MS);
    const resumesAt = inDays(40);
    const { id } = await atStripe(tenant);
    const lost = { kind: 'connection' as const, phase: 'after' as const, method: 'POST' as const };
    mockOf(server).failNext({ ...lost, times: 3, path: `/v1/subscriptions/${id}` });
    expect((await pause(tenant, resumesAt)).status).toBe(502);
    mockOf(server).clearFailures();
    await settled(server);
    const { pausePayments } = await done(pause(tenant, resumesAt));
    expect(pausePayments.paymentPause).toEqual(isPaused(resumesAt));
    expect(await paidBy(tenant)).toEqual([
      ['paid', PRO_CENTS],
      ['paid', 30],
    ]);
  });

  it('are paid again by the tenant, which may then change its tier', async () => {
    const tenant = await subscriber({ tier: 'TEAM', seats: 3 });
    await done(pause(tenant, inDays(40)));
    const gql = (field: string) => server.gql(`mutation { ${field} { ${FIELDS} } }`, tenant);
    const until = 'has paused payments until';
    for (const field of [
      'changeTier(input: { tier: PRO })',
      'changeTier(input: { tier: TEAM, interval: YEAR })',
      'setSeats(seats: 4)',
      'setSeats(seats: 2)',
    ])
      expect(await rejected(gql(field)), field).toContain(until);
    const preview = server.gql('{ previewSeats(seats: 4) { seats } }', tenant);
    expect(await rejected(preview)).toContain(until);
    const contract = server.gql(
      `mutation { createEnterpriseSubscription(input: { tenantId: "${tenant.id}", monthlyPriceCents: 1, termMonths: 1 }) { id } }`,
    );
    expect(await rejected(contract)).toContain(until);
    expect(await paidBy(tenant)).toEqual([['paid', 3 * SEAT_CENTS]]);
    await done(resume(tenant));
    const { setSeats } = await done(gql('setSeats(seats: 4)'));
    expect(setSeats).toMatchObject({ seats: 4, paymentPause: null });
    expect((await paidBy(tenant)).at(-1)).toEqual(['paid', expect.closeTo(SEAT_CENTS, -1)]);
  });

  it('may end with the subscription: a cancellation works meanwhile, at once or later', async () => {
    const tenant = await subscriber();
    await done(pause(tenant, inDays(100)));
    const cancel = (atPeriodEnd: boolean) =>
      server.gql(
        `mutation { cancelSubscription(input: { atPeriodEnd: ${atPeriodEnd} }) { ${FIELDS} } }`,
        tenant,
      );
    const { cancelSubscription } = await done(cancel(true));
    expect(cancelSubscription).toMatchObject({ cancelAtPeriodEnd: true, tier: { name: 'PRO' } });
    const { resumeSubscription } = await done(
      server.gql(`mutation { resumeSubscription { ${FIELDS} } }`, tenant),
    );
    expect(resumeSubscription.cancelAtPeriodEnd).toBe(false);
    expect(resumeSubscription.paymentPause).not.toBeNull();
    await done(cancel(false));
    expect(await stateOf(tenant)).toMatchObject({ status: 'CANCELED', tier: { name: 'FREE' } });
    expect(await rejected(pause(tenant, inDays(1)))).toContain('there is no paid subscription');
    expect((await paidBy(tenant)).filter(([, paid]) => paid)).toEqual([['paid', PRO_CENTS]]);
  });

  it('of a contract are paused within its term', async () => {
    const tenant = await subscriber();
    const terms = 'monthlyPriceCents: 90000, termMonths: 3, daysUntilDue: null';
    await done(
      server.gql(
        `mutation { createEnterpriseSubscription(input: { tenantId: "${tenant.id}", ${terms} }) { id } }`,
      ),
    );
    expect(await rejected(pause(tenant, inDays(120)))).toContain('must be before the subscription ends');
    const { pausePayments } = await done(pause(tenant, inDays(35)));
    expect(pausePayments).toMatchObject({ tier: { name: 'ENTERPRISE' }, paymentPause: isPaused(inDays(35)) });
    await until(monthStart(1) + 2 * HOUR_MS);
    expect((await invoicesOf(tenant)).at(-1)).toMatchObject({ status: 'void', amount_due: 90_000 });
    expect(await stateOf(tenant)).toMatchObject({ status: 'ACTIVE', tier: { name: 'ENTERPRISE' } });
  });
});

describe('calls past the quota', () => {
  it('of before the pause are paid for at once, are not sold meanwhile, and are sold again after it', async () => {
    const tenant = await subscriber();
    await done(setCap(tenant));
    expect(await use(tenant, QUOTA + 3_000)).toBe(true);
    await until(clock.now() + DAY_MS);
    const resumesAt = new Date(monthStart(1) + 10 * DAY_MS);
    await done(pause(tenant, resumesAt));
    // 3,000 calls at 10 cents a thousand.
    expect(await paidBy(tenant)).toEqual([
      ['paid', PRO_CENTS],
      ['paid', 30],
    ]);
    expect(await use(tenant, QUOTA)).toBe(true);
    expect(await use(tenant, 1)).toBe(false);
    const { overage } = (
      await server.gql('{ overage { monthlyCapCents allowedCalls unbilledCents } }', tenant)
    ).data;
    expect(overage).toEqual({ monthlyCapCents: 10_000, allowedCalls: 0, unbilledCents: 0 });
    expect(await rejected(setCap(tenant, 500))).toContain('not sold while payments are paused');
    await until(monthStart(1) + 2 * HOUR_MS);
    expect((await paidBy(tenant)).at(-1)).toEqual(['void', 0]);
    await until(resumesAt.getTime() + HOUR_MS);
    expect(await use(tenant, QUOTA + 2_000)).toBe(true);
    clock.advance(HOUR_MS);
    await server.app.services.usageReporter.run();
    await until(monthStart(1) + 2 * HOUR_MS);
    expect((await paidBy(tenant)).at(-1)).toEqual(['paid', PRO_CENTS + 20]);
  });

  it('that cannot be paid for prevent the pause, and change nothing', async () => {
    const tenant = await subscriber();
    await done(setCap(tenant));
    await use(tenant, QUOTA + 3_000);
    await until(clock.now() + DAY_MS);
    const customer = await customerIdOf(server, tenant.id);
    await stripeOf(server).customers.update(customer, { metadata: { mock_card: 'decline' } });
    const { status, errors } = await pause(tenant, inDays(40));
    expect([status, errors[0]?.extensions?.code]).toEqual([502, 'PAYMENT_PROVIDER_ERROR']);
    expect(await stateOf(tenant)).toMatchObject({ status: 'ACTIVE', paymentPause: null });
    expect(await use(tenant, QUOTA + 1_000)).toBe(true);
  });
});

describe('a pause', () => {
  it('needs a date to come within 730 days, and an active subscription without a schedule that goes on', async () => {
    const tenant = await subscriber({ tier: 'TEAM', seats: 2 });
    expect(await rejected(pause(tenant, inDays(0)))).toContain('must be in the future');
    expect(await rejected(pause(tenant, inDays(731)))).toContain('at most 730 days from now');
    const never = await server.createTenant();
    expect(await rejected(pause(never, inDays(1)))).toContain('there is no paid subscription');
    const change = 'mutation { changeTier(input: { tier: PRO, immediately: false }) { scheduledTier } }';
    const scheduled = await subscriber({ tier: 'TEAM', interval: 'YEAR', seats: 20 });
    await done(server.gql(change, scheduled));
    expect(await rejected(pause(scheduled, inDays(1)))).toContain('will change to PRO');
    await done(server.gql('mutation { cancelSubscription { id } }', tenant));
    expect(await rejected(pause(tenant, inDays(70)))).toContain('must be before the subscription ends');
    await stripeOf(server).subscriptions.update((await atStripe(tenant)).id, {
      cancel_at_period_end: false,
      trial_end: Math.floor(inDays(20).getTime() / 1000),
    });
    await settled(server);
    expect(await rejected(pause(tenant, inDays(10)))).toContain('is on trial until');
    expect((await atStripe(tenant)).pause_collection).toBeNull();
  });

  it('is made by an operator only', async () => {
    const tenant = await subscriber();
    const { errors } = await pause(tenant, inDays(10), tenant.key);
    expect(errors[0]?.extensions?.code).toBe('FORBIDDEN');
  });

  it('that is set or removed at Stripe is known here, however its events arrive, and reconciled without any', async () => {
    const tenant = await subscriber();
    const { id } = await atStripe(tenant);
    const { stripe, apply } = { stripe: stripeOf(server), apply: () => settled(server) };
    mockOf(server).disturbWebhooks({ seed: 3, duplicated: 0.5, delayed: 0.5 } as never);
    await stripe.subscriptions.update(id, { pause_collection: { behavior: 'mark_uncollectible' } });
    await stripe.subscriptions.update(id, { pause_collection: '' });
    await stripe.subscriptions.update(id, { pause_collection: { behavior: 'keep_as_draft' } });
    await apply();
    expect(await stateOf(tenant)).toMatchObject({
      paymentPause: { resumesAt: null, invoices: 'KEEP_AS_DRAFT' },
    });
    const rest = await fetch(`${server.url}/v1/billing/subscription`, {
      headers: { 'x-api-key': tenant.key },
    });
    expect(await rest.json()).toMatchObject({ status: 'active', payment_pause: { resumes_at: null } });
    mockOf(server).disturbWebhooks({ seed: 1, dropped: 1 });
    await stripe.subscriptions.update(id, { pause_collection: '' });
    await apply();
    mockOf(server).disturbWebhooks(null);
    expect((await stateOf(tenant)).paymentPause).not.toBeNull();
    const { data } = await server.gql(
      `{ compareWithStripe(tenantId: "${tenant.id}") { differences stored { paymentPause { invoices } } } }`,
    );
    expect(data.compareWithStripe).toMatchObject({
      differences: [expect.stringContaining('pause of payments')],
      stored: { paymentPause: { invoices: 'KEEP_AS_DRAFT' } },
    });
    await server.app.services.reconcile.run({ dryRun: false });
    expect((await stateOf(tenant)).paymentPause).toBeNull();
  });

  it('and its end are each an event for the operator’s systems, and a pause pays nothing a month', async () => {
    const tenant = await subscriber();
    await hook();
    const { outgoingWebhooks } = server.app.services;
    const told = async () => {
      await outgoingWebhooks.run();
      const sent = await server.app.models.webhookDeliveries
        .find({ tenantId: tenant.id, type: /payments/ })
        .lean<WebhookDeliveryDoc[]>();
      return sent.map(({ body }) => JSON.parse(body)).map(({ type, data }) => [type, data.paymentPause]);
    };
    const monthly = async () =>
      (await server.app.models.tenantStandings.findById(tenant.id).lean())?.monthlyCents;
    await told();
    expect(await monthly()).toBe(PRO_CENTS);
    const resumesAt = inDays(20);
    await done(pause(tenant, resumesAt));
    const paused = ['subscription.payments_paused', { invoices: 'void', resumesAt: resumesAt.toISOString() }];
    expect(await told()).toEqual([paused]);
    expect(await monthly()).toBeNull();
    await until(resumesAt.getTime());
    expect(await told()).toEqual([paused, ['subscription.payments_resumed', null]]);
    expect(await monthly()).toBe(PRO_CENTS);
  });
});
