/** Stripe fails at any request of a mutation; the mutation is asked again. Webhooks do not come here. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setUp, startLive } from '../contract/course.js';
import { askCheckout } from '../support/billing.js';
import type { TestServer, TestTenant } from '../support/server.js';
import { openStripeBridge } from '../support/stripeBridge.js';
import { teamCatalogueFile } from '../support/teamCatalogue.js';
import { type Harness, openHarness } from '../unit/stripe/mock/harness.js';

type Phase = 'before' | 'after';

let server: TestServer;
let harness: Harness;
let bridge: Awaited<ReturnType<typeof openStripeBridge>>;
let prices: Record<string, string>;
/** Which request from now on fails, and whether Stripe has done its work; null: none. */
let failing: { number: number; phase: Phase } | null = null;
/** What Stripe repeats for a day. */
const remembered = new Set<string>();

const serverError = () =>
  Response.json(
    { error: { type: 'api_error', message: 'Something went wrong' } },
    // The SDK's own retries would get the same, and take a second each.
    { status: 500, headers: { 'Stripe-Should-Retry': 'false' } },
  );

const failed: typeof fetch = async (input, init) => {
  const request = new Request(input, init);
  const key = request.headers.get('idempotency-key');
  if (key && remembered.has(key)) return serverError();
  if (failing) failing.number -= 1;
  if (failing?.number !== 0) return harness.mock.fetch(request);
  const { phase } = failing;
  if (phase === 'after') await harness.mock.fetch(request);
  if (key && request.method === 'POST') remembered.add(key);
  return serverError();
};

beforeAll(async () => {
  harness = await openHarness({ prices: [], webhookUrl: () => undefined });
  bridge = await openStripeBridge(failed);
  const CATALOG_FILE = teamCatalogueFile();
  prices = await setUp(bridge.url, { CATALOG_FILE });
  server = await startLive(bridge.url, { ...prices, CATALOG_FILE });
}, 60_000);
afterAll(async () => {
  await server?.stop();
  await bridge?.close();
  await harness?.close();
});

const STATE = '{ subscription { tier { name } status cancelAtPeriodEnd scheduledTier } }';

async function stateOf({ key }: TestTenant) {
  const { data, errors } = await server.gql(STATE, { key });
  expect(errors).toEqual([]);
  return data.subscription;
}

async function ask({ id, key }: TestTenant, field: string, byOperator = false) {
  return server.gql(`mutation { ${field.replaceAll('$tenant', id)} }`, byOperator ? {} : { key });
}

async function done(tenant: TestTenant, field: string): Promise<void> {
  expect((await ask(tenant, field)).errors).toEqual([]);
}

async function customerOf({ id }: TestTenant): Promise<string> {
  const doc = await server.app.models.billingCustomers.findById(id).lean();
  return doc?.stripeCustomerId ?? '';
}

/** Asking to pay once more looks at Stripe, and finds what was bought. */
async function noticed(tenant: TestTenant): Promise<void> {
  expect((await askCheckout(server, tenant.key)).errors[0]?.message).toContain('subscription');
}

async function subscriber(tier: string): Promise<TestTenant> {
  const tenant = await server.createTenant();
  const { data } = await askCheckout(server, tenant.key, { tier });
  await harness.mock.checkout.complete(data.createCheckoutSession.id);
  await noticed(tenant);
  return tenant;
}

/** Bought before the tier sold overage. */
async function withoutOverage(): Promise<TestTenant> {
  const tenant = await server.createTenant();
  await askCheckout(server, tenant.key);
  await harness.stripe.subscriptions.create({
    customer: await customerOf(tenant),
    items: [{ price: prices.STRIPE_PRICE_PRO as string }],
    default_payment_method: 'pm_card_visa',
  });
  await noticed(tenant);
  return tenant;
}

async function after(tier: string, ...fields: string[]): Promise<TestTenant> {
  const tenant = await subscriber(tier);
  for (const field of fields) await done(tenant, field);
  return tenant;
}

async function liveAtStripe(tenant: TestTenant): Promise<{ subscriptions: number; schedules: number }> {
  const customer = await customerOf(tenant);
  const subscriptions = await harness.stripe.subscriptions.list({ customer });
  const schedules = await harness.stripe.subscriptionSchedules.list({ customer });
  const running = schedules.data.filter(({ status }) => status === 'active' || status === 'not_started');
  return { subscriptions: subscriptions.data.length, schedules: running.length };
}

const TO_PRO = 'changeTier(input: { tier: PRO }) { status }';
const TO_TEAM = 'changeTier(input: { tier: TEAM }) { status }';
const TO_FREE = 'changeTier(input: { tier: FREE }) { status }';
const CANCEL = 'cancelSubscription { status }';
const CANCEL_NOW = 'cancelSubscription(input: { atPeriodEnd: false }) { status }';
const RESUME = 'resumeSubscription { status }';
const CONTRACT =
  'createEnterpriseSubscription(input: { tenantId: "$tenant", monthlyPriceCents: 100000, termMonths: 12 }) { status }';
const CHECKOUT =
  'createCheckoutSession(input: { tier: PRO, successUrl: "http://localhost/a", cancelUrl: "http://localhost/b" }) { id }';
const PORTAL = 'createPortalSession(input: { returnUrl: "http://localhost/a" }) { id }';
const OVERAGE = 'setOverage(input: { monthlyCapCents: 500 }) { allowedCalls }';

interface Flow {
  name: string;
  begin: () => Promise<TestTenant>;
  field: string;
  byOperator?: boolean;
  wanted: { tier: string; status?: string; ends?: boolean; next?: string } | null;
  live?: [subscriptions: number, schedules: number];
}

const FLOWS: Flow[] = [
  {
    name: 'a smaller tier',
    begin: () => after('TEAM'),
    field: TO_PRO,
    wanted: { tier: 'TEAM', next: 'PRO' },
    live: [1, 1],
  },
  {
    name: 'a smaller tier instead of an end',
    begin: () => after('TEAM', CANCEL),
    field: TO_PRO,
    wanted: { tier: 'TEAM', next: 'PRO' },
    live: [1, 1],
  },
  { name: 'a larger tier', begin: () => after('PRO'), field: TO_TEAM, wanted: { tier: 'TEAM' } },
  {
    name: 'the present tier instead of a smaller one',
    begin: () => after('TEAM', TO_PRO),
    field: TO_TEAM,
    wanted: { tier: 'TEAM' },
  },
  {
    name: 'the default tier',
    begin: () => after('TEAM', TO_PRO),
    field: TO_FREE,
    wanted: { tier: 'TEAM', ends: true },
  },
  {
    name: 'an end with the period',
    begin: () => after('PRO'),
    field: CANCEL,
    wanted: { tier: 'PRO', ends: true },
  },
  {
    name: 'an end with the period instead of a smaller tier',
    begin: () => after('TEAM', TO_PRO),
    field: CANCEL,
    wanted: { tier: 'TEAM', ends: true },
  },
  {
    name: 'an end at once',
    begin: () => after('PRO'),
    field: CANCEL_NOW,
    wanted: { tier: 'FREE', status: 'CANCELED' },
    live: [0, 0],
  },
  {
    name: 'an end at once instead of a smaller tier',
    begin: () => after('TEAM', TO_PRO),
    field: CANCEL_NOW,
    wanted: { tier: 'FREE', status: 'CANCELED' },
    live: [0, 0],
  },
  { name: 'an end taken back', begin: () => after('PRO', CANCEL), field: RESUME, wanted: { tier: 'PRO' } },
  {
    name: 'a smaller tier taken back',
    begin: () => after('TEAM', TO_PRO),
    field: RESUME,
    wanted: { tier: 'TEAM' },
  },
  {
    name: 'a contract',
    begin: () => server.createTenant(),
    field: CONTRACT,
    byOperator: true,
    wanted: { tier: 'ENTERPRISE' },
  },
  {
    name: 'a contract instead of a tier',
    begin: () => after('TEAM', TO_PRO),
    field: CONTRACT,
    byOperator: true,
    wanted: { tier: 'ENTERPRISE' },
  },
  { name: 'a portal session', begin: () => after('PRO'), field: PORTAL, wanted: { tier: 'PRO' } },
  { name: 'overage', begin: withoutOverage, field: OVERAGE, wanted: { tier: 'PRO' } },
  { name: 'a checkout', begin: () => server.createTenant(), field: CHECKOUT, wanted: null, live: [0, 0] },
];

/** @returns whether a request failed: false when the mutation makes fewer */
async function failsAndSucceeds(flow: Flow, number: number, phase: Phase): Promise<boolean> {
  const { begin, field, byOperator, wanted, live = [1, 0] } = flow;
  const tenant = await begin();
  failing = { number, phase };
  const first = await ask(tenant, field, byOperator);
  const hasFailed = failing.number <= 0;
  failing = null;
  if (!hasFailed) return false;
  const where = `${flow.name}, request ${number}, ${phase}`;
  if (first.errors.length > 0) {
    expect(first.errors[0]?.extensions.code, where).toBe('PAYMENT_PROVIDER_ERROR');
    const again = await ask(tenant, field, byOperator);
    expect(again.errors, where).toEqual([]);
  }
  if (field === CHECKOUT) {
    const { data } = await ask(tenant, field);
    await harness.mock.checkout.complete(data.createCheckoutSession.id);
    await noticed(tenant);
    expect(await liveAtStripe(tenant), where).toEqual({ subscriptions: 1, schedules: 0 });
    return true;
  }
  const { tier = 'FREE', status = 'ACTIVE', ends = false, next = null } = wanted ?? {};
  expect(await stateOf(tenant), where).toEqual({
    tier: { name: tier },
    status,
    cancelAtPeriodEnd: ends,
    scheduledTier: next,
  });
  expect(await liveAtStripe(tenant), where).toEqual({ subscriptions: live[0], schedules: live[1] });
  return true;
}

describe('after a failure of Stripe at any request, asking again ends in what was wanted, once:', () => {
  it.each(FLOWS)('$name', { timeout: 60_000 }, async (flow) => {
    for (const phase of ['before', 'after'] as const) {
      let number = 1;
      while (await failsAndSucceeds(flow, number, phase)) number += 1;
      expect(number, 'requests that failed').toBeGreaterThan(1);
    }
  });
});
