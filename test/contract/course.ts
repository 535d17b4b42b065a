/**
 * A live-mode server and its account, taken through everything that makes a call to Stripe. Here our mock is Stripe,
 * since it remembers what it was told; the server reaches it over HTTP, by STRIPE_API_BASE.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Stripe from 'stripe';
import { expect } from 'vitest';
import { type Harness, openHarness, SECRET } from '../../packages/mock-stripe/test/support/harness.js';
import { readStripeSetupConfig } from '../../src/config/config.js';
import { UsageReportStatus } from '../../src/models/usageReport.js';
import { setUpAccount } from '../../src/services/billing/accountSetup.js';
import { createPriceTiers } from '../../src/services/billing/customerImport/priceTiers.js';
import { createStripeClient } from '../../src/services/billing/stripe/stripeClient.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';
import { createTiers } from '../../src/services/tiers/tiers.js';
import { askCheckout } from '../support/billing.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { openStripeBridge } from '../support/stripeBridge.js';
import { snapshotOf, thinOf } from '../support/stripeSide.js';
import { teamCatalogueFile } from '../support/teamCatalogue.js';
import type { StripeRequest } from './requests.js';

const KEY = 'sk_test_contract';
const PUBLIC_URL = 'https://billing.example';
const DAY_MS = 86_400_000;

/** @returns what `npm run stripe:setup` says to set */
export async function setUp(
  apiBase: string,
  env: Record<string, string> = {},
): Promise<Record<string, string>> {
  const config = readStripeSetupConfig({ STRIPE_SECRET_KEY: KEY, STRIPE_API_BASE: apiBase, ...env });
  const stripe = createStripeClient(config.stripe, null, null, noMetrics);
  const { environment } = await setUpAccount({ ...config, stripe, clock: { now: Date.now }, dryRun: false });
  return environment;
}

export const startLive = (apiBase: string, env: Record<string, string>): Promise<TestServer> =>
  startTestServer({
    env: { STRIPE_SECRET_KEY: KEY, STRIPE_WEBHOOK_SECRET: SECRET, STRIPE_API_BASE: apiBase, ...env },
  });

/** @returns every request that was made, in order */
export async function runCourse(): Promise<StripeRequest[]> {
  const requests: StripeRequest[] = [];
  let by: 'server' | 'setup' = 'setup';
  let server: TestServer | undefined;
  const harness = await openHarness({
    prices: [],
    webhookUrl: () => server && `${server.url}/v1/billing/webhook`,
  });
  const bridge = await openStripeBridge(async (input, init) => {
    const request = new Request(input, init);
    const { pathname, searchParams } = new URL(request.url);
    const { method } = request;
    const form = method === 'POST' ? new URLSearchParams(await request.clone().text()) : searchParams;
    requests.push({ method, path: pathname, fields: [...form], by });
    return harness.mock.fetch(request);
  });
  try {
    const environment = await setUpTwice(harness, bridge.url);
    const price = await tierOfPrice(harness, bridge.url);
    by = 'server';
    server = await startLive(bridge.url, environment);
    const course = { server, harness };
    await firstPurchase(course);
    await trial(course);
    await pause(course);
    await tierChanges(course);
    await intervals(course);
    await contracts(course);
    await accountPages(course);
    await usage(course);
    await priceOutside(course);
    await failedPayment(course);
    await unlisted(course);
    await burst(course);
    await thinEvents(course);
    await erasure(course);
    await reconcile(course);
    await customerImport(course, price);
    await taxed({ harness, server: await startLive(bridge.url, { ...environment, ...TAX }) });
    return requests;
  } finally {
    await server?.stop();
    await bridge.close();
    await harness.close();
  }
}

const TAX = {
  STRIPE_AUTOMATIC_TAX: 'true',
  STRIPE_TAX_BEHAVIOR: 'exclusive',
  STRIPE_TAX_ID_COLLECTION: 'true',
  STRIPE_BILLING_ADDRESS_COLLECTION: 'required',
  STRIPE_INVOICE_DESCRIPTION: 'Thank you.',
  STRIPE_INVOICE_FOOTER: 'Zebra Ltd',
  STRIPE_INVOICE_CUSTOM_FIELDS: '[{"name":"VAT ID","value":"IE6388047V"}]',
};

interface Course {
  server: TestServer;
  harness: Harness;
}

/** The second time the catalogue has other prices and another currency, the product another name, and an endpoint made by hand lacks events. */
async function setUpTwice({ stripe }: Harness, apiBase: string): Promise<Record<string, string>> {
  await setUp(apiBase, { PUBLIC_URL });
  const other = 'https://other.example';
  await stripe.webhookEndpoints.create({
    url: `${other}/v1/billing/webhook`,
    enabled_events: ['charge.refunded'],
  });
  const pro = {
    monthlyPriceCents: 3_900,
    prices: [
      { interval: 'month', perSeat: true, amounts: { usd: 3_900, eur: 3_600 } },
      { interval: 'year', perSeat: true, amounts: { usd: 39_000, eur: 36_000 } },
    ],
    overage: { priceCents: 10, perCalls: 1_000, amounts: { eur: 9 } },
  };
  const CATALOG_FILE = teamCatalogueFile({
    pro,
    team: { trialDays: 14, trialRequiresCard: false, trialEndWithoutCard: 'PAUSE' },
  });
  const BRAND_FILE = join(mkdtempSync(join(tmpdir(), 'brand-')), 'brand.json');
  writeFileSync(BRAND_FILE, JSON.stringify({ productName: 'Zebra' }));
  const env = { PUBLIC_URL: other, CATALOG_FILE, BRAND_FILE, STRIPE_TAX_BEHAVIOR: 'exclusive' };
  return { CATALOG_FILE, ...(await setUp(apiBase, env)) };
}

async function settled({ server, harness }: Course): Promise<void> {
  await harness.mock.delivered();
  await server.app.services.inbox.idle(20_000);
}

async function ask({ server }: Course, operation: string, key?: string) {
  const { data, errors } = await server.gql(operation, key ? { key } : {});
  expect(errors).toEqual([]);
  return data;
}

async function checkout({ server }: Course, { key }: TestTenant, input: object = {}): Promise<string> {
  const { data, errors } = await askCheckout(server, key, input);
  expect(errors).toEqual([]);
  return data.createCheckoutSession.id;
}

async function subscriber(course: Course, tier: string): Promise<TestTenant> {
  const tenant = await course.server.createTenant();
  await course.harness.mock.checkout.complete(await checkout(course, tenant, { tier }));
  await settled(course);
  return tenant;
}

async function subscriptionIdOf({ server }: Course, { id }: TestTenant): Promise<string> {
  const stored = await server.app.models.billingSubscriptions.findById(id).lean();
  return stored?.stripeSubscriptionId as string;
}

/** Begun, begun again, begun for another tier, paid. */
async function firstPurchase(course: Course): Promise<void> {
  const tenant = await course.server.createTenant();
  const asked = { customerEmail: 'ada@example.com' };
  const first = await checkout(course, tenant, asked);
  expect(await checkout(course, tenant, asked)).toBe(first);
  const other = await checkout(course, tenant, { ...asked, tier: 'TEAM' });
  expect(other).not.toBe(first);
  await course.harness.mock.checkout.complete(other);
  await settled(course);
  expect((await ask(course, '{ subscription { tier { name } } }', tenant.key)).subscription).toEqual({
    tier: { name: 'TEAM' },
  });
}

/** A price of somebody else's gets a tier. */
async function tierOfPrice({ stripe }: Harness, apiBase: string): Promise<string> {
  const recurring = { interval: 'month' } as const;
  const terms = { currency: 'usd', unit_amount: 700, recurring, product_data: { name: 'Other' } };
  const { id } = await stripe.prices.create(terms);
  const config = readStripeSetupConfig({ STRIPE_SECRET_KEY: KEY, STRIPE_API_BASE: apiBase });
  const client = createStripeClient(config.stripe, null, null, noMetrics);
  const tiers = createTiers(config.catalogue, {}, {});
  await createPriceTiers({ stripe: client, tiers }).assign(new Map([[id, 'PRO']]), false);
  return id;
}

/** A customer that this server has never seen. */
async function customerImport({ server, harness }: Course, price: string): Promise<void> {
  const { stripe } = harness;
  const { id: customer } = await stripe.customers.create({ email: 'never@example.com' });
  const default_payment_method = 'pm_card_visa';
  await stripe.subscriptions.create({ customer, items: [{ price }], default_payment_method });
  const report = await server.app.services.customerImport.run(
    {
      ...{ dryRun: false, match: [], externalIdKey: 'external_id', create: 'all' },
      ...{ rows: new Map(), tiers: new Map() },
    },
    { onFinding: () => undefined, onProgress: () => undefined },
  );
  expect(report.failed).toBe(0);
  expect(report.created).toBeGreaterThan(0);
  await settled({ server, harness });
}

/** A trial without a card that is extended. */
async function trial(course: Course): Promise<void> {
  const tenant = await subscriber(course, 'TEAM');
  const { subscription } = await ask(course, '{ subscription { status trialEnd } }', tenant.key);
  expect(subscription.status).toBe('TRIALING');
  const until = new Date(Date.parse(subscription.trialEnd) + 7 * DAY_MS).toISOString();
  await ask(
    course,
    `mutation { extendTrial(input: { tenantId: "${tenant.id}", until: "${until}" }) { status } }`,
  );
  await settled(course);
}

/** Paused by the operator, resumed by the tenant. */
async function pause(course: Course): Promise<void> {
  const tenant = await subscriber(course, 'PRO');
  const resumesAt = new Date(Date.now() + 40 * DAY_MS).toISOString();
  const { pausePayments } = await ask(
    course,
    `mutation { pausePayments(input: { tenantId: "${tenant.id}", resumesAt: "${resumesAt}" }) { paymentPause { invoices } } }`,
  );
  expect(pausePayments.paymentPause.invoices).toBe('VOID');
  await settled(course);
  await ask(course, 'mutation { resumePayments { status } }', tenant.key);
  await settled(course);
}

async function tierChanges(course: Course): Promise<void> {
  const { stripe } = course.harness;
  const tenant = await subscriber(course, 'PRO');
  const step = async (field: string) => {
    await ask(course, field, tenant.key);
    await settled(course);
  };
  await step('{ previewTierChange(tier: TEAM) { amountDueNowCents } }');
  await step('mutation { changeTier(input: { tier: TEAM }) { status } }');
  await step('{ previewTierChange(tier: PRO) { nextInvoiceCents } }');
  await step('mutation { changeTier(input: { tier: PRO }) { status } }');
  await step('mutation { resumeSubscription { status } }');
  await step('mutation { cancelSubscription { status } }');
  await step('mutation { changeTier(input: { tier: PRO }) { status } }');
  await step('mutation { cancelSubscription { status } }');
  await step('mutation { resumeSubscription { status } }');
  // As the portal ends one under flexible billing.
  const id = await subscriptionIdOf(course, tenant);
  const [item] = (await stripe.subscriptions.retrieve(id)).items.data;
  await stripe.subscriptions.update(id, { cancel_at: item?.current_period_end as number });
  await settled(course);
  await step('mutation { resumeSubscription { status } }');
  await stripe.rawRequest('POST', `/v1/subscriptions/${id}/pause`, {});
  await settled(course);
  await step('mutation { resumeSubscription { status } }');
  await step('mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }');
}

/** A year in another currency, changed at its end and by the seat, and ended with it. */
async function intervals(course: Course): Promise<void> {
  const tenant = await course.server.createTenant();
  const yearly = await checkout(course, tenant, { tier: 'PRO', interval: 'YEAR', currency: 'eur' });
  await course.harness.mock.checkout.complete(yearly);
  await settled(course);
  const step = async (field: string) => {
    await ask(course, field, tenant.key);
    await settled(course);
  };
  await step('mutation { changeTier(input: { tier: PRO, interval: MONTH }) { status } }');
  await step('mutation { resumeSubscription { status } }');
  await step('mutation { cancelSubscription { status } }');
  const monthly = await subscriber(course, 'PRO');
  const toYear = 'tier: PRO, interval: YEAR';
  await ask(course, `{ previewTierChange(${toYear}) { amountDueNowCents } }`, monthly.key);
  await ask(course, `mutation { changeTier(input: { ${toYear} }) { status } }`, monthly.key);
  await settled(course);
  await ask(course, '{ previewSeats(seats: 3) { prorationCents } }', monthly.key);
  await ask(course, 'mutation { setSeats(seats: 3) { seats } }', monthly.key);
  await settled(course);
}

/** One that begins, one that cannot, and one that a subscription of the tenant's own goes over to. */
async function contracts(course: Course): Promise<void> {
  const mutation = ({ id }: TestTenant, more: string) => `mutation { createEnterpriseSubscription(
    input: { tenantId: "${id}", monthlyPriceCents: 100000, termMonths: 12 ${more} }) { status } }`;
  const begin = (tenant: TestTenant, more: string) => ask(course, mutation(tenant, more));
  await begin(await course.server.createTenant(), 'daysUntilDue: 30');
  // Without a card it cannot be charged.
  const { errors } = await course.server.gql(
    mutation(await course.server.createTenant(), 'daysUntilDue: null'),
  );
  expect(errors[0]?.extensions.argument).toBe('input.daysUntilDue');
  const buyer = await subscriber(course, 'PRO');
  await begin(buyer, 'daysUntilDue: null');
  await ask(
    course,
    'mutation { createPortalSession(input: { returnUrl: "http://localhost/" }) { id } }',
    buyer.key,
  );
}

/** Bought, changed now and at the period's end, and made a contract, with tax and memo. Its webhooks go to the other server. */
async function taxed(course: Course): Promise<void> {
  const { server, harness } = course;
  try {
    const tenant = await server.createTenant();
    await harness.mock.checkout.complete(await checkout(course, tenant, { tier: 'PRO' }));
    const { previewSeats } = await ask(course, '{ previewSeats(seats: 2) { taxCents } }', tenant.key);
    expect(previewSeats.taxCents).toBeGreaterThan(0);
    await ask(course, 'mutation { changeTier(input: { tier: TEAM }) { status } }', tenant.key);
    await ask(course, 'mutation { changeTier(input: { tier: PRO }) { status } }', tenant.key);
    await ask(
      course,
      `mutation { createEnterpriseSubscription(input: {
        tenantId: "${tenant.id}", monthlyPriceCents: 100000, termMonths: 12, daysUntilDue: 30 }) { status } }`,
    );
  } finally {
    await server.stop();
  }
}

async function accountPages(course: Course): Promise<void> {
  const methods = '{ paymentMethods { isDefault } }';
  const { key } = await subscriber(course, 'PRO');
  await ask(
    course,
    'mutation { createPortalSession(input: { returnUrl: "http://localhost/" }) { id } }',
    key,
  );
  await ask(course, methods, key);
  const { invoices } = await ask(course, '{ invoices(first: 1) { edges { cursor } } }', key);
  await ask(course, `{ invoices(first: 1, after: "${invoices.edges[0].cursor}") { edges { cursor } } }`, key);
  const undecided = await course.server.createTenant();
  await checkout(course, undecided);
  await ask(course, methods, undecided.key);
}

/** A report that is sent, one that may have been sent more than a day ago, and one that is taken back. */
async function usage(course: Course): Promise<void> {
  const { models, services } = course.server.app;
  const { key, id } = await subscriber(course, 'PRO');
  await ask(course, 'mutation { reportUsage(input: { quantity: 7, idempotencyKey: "one" }) { id } }', key);
  const again = async (changes: object) => {
    const nextTryAt = new Date(Date.now() - DAY_MS);
    await models.usageReports.updateOne({ _id: `${id}:one` }, { $set: { ...changes, nextTryAt } });
    await services.usageReporter.run();
    return (await models.usageReports.findById(`${id}:one`).lean())?.status;
  };
  const firstSentAt = new Date(Date.now() - DAY_MS);
  expect(await again({ status: UsageReportStatus.PENDING, firstSentAt })).toBe(UsageReportStatus.REPORTED);
  expect(await again({ status: UsageReportStatus.CANCELING })).toBe(UsageReportStatus.CANCELED);
}

async function priceOutside(course: Course): Promise<void> {
  const { stripe } = course.harness;
  const tenant = await subscriber(course, 'PRO');
  const price = await stripe.prices.create({
    product: (await stripe.products.create({ name: 'Other' })).id,
    currency: 'usd',
    unit_amount: 100,
    recurring: { interval: 'month' },
  });
  const { items } = await stripe.subscriptions.retrieve(await subscriptionIdOf(course, tenant));
  const item = items.data.find((one) => one.price.recurring?.usage_type !== 'metered');
  await stripe.subscriptions.update(item?.subscription as string, {
    items: [{ id: item?.id as string, price: price.id }],
  });
  await settled(course);
}

async function failedPayment(course: Course): Promise<void> {
  const { stripe } = course.harness;
  const tenant = await subscriber(course, 'PRO');
  const id = await subscriptionIdOf(course, tenant);
  const { customer } = await stripe.subscriptions.retrieve(id);
  await stripe.customers.update(String(customer), { metadata: { mock_card: 'decline' } });
  await stripe.subscriptions.update(id, {
    billing_cycle_anchor: { type: 'now' },
    proration_behavior: 'none',
  });
  await settled(course);
  expect((await ask(course, '{ subscription { status } }', tenant.key)).subscription.status).toBe('PAST_DUE');
}

/** What is stored is not in Stripe's list: it is asked for by itself. */
async function unlisted(course: Course): Promise<void> {
  const tenant = await subscriber(course, 'PRO');
  const { models, services } = course.server.app;
  await models.billingSubscriptions.updateOne(
    { _id: tenant.id },
    { $set: { stripeSubscriptionId: 'sub_unlisted' } },
  );
  await services.inbox.receive(
    thinOf(`evt_${randomUUID()}`, 'v1.customer.updated', {
      id: (await models.billingCustomers.findById(tenant.id).lean())?.stripeCustomerId ?? '',
      type: 'customer',
    }),
  );
  await settled(course);
}

/** Events of so many customers at once that their subscriptions are listed. Stripe has none of them. */
async function burst({ server }: Course): Promise<void> {
  const { inbox } = server.app.services;
  const items = { data: [{ price: { id: 'price_1' } }] };
  await Promise.all(
    Array.from({ length: 30 }, (_, i) => {
      const about = { id: `sub_burst_${i}`, customer: `cus_burst_${i}`, created: 1_700_000_000 + i };
      return inbox.receive(
        snapshotOf(`evt_burst_${i}`, 'customer.subscription.updated', { ...about, status: 'active', items }),
      );
    }),
  );
  await inbox.idle(20_000);
}

/** They name an object that has to be asked for whom it belongs to. */
async function thinEvents(course: Course): Promise<void> {
  const { stripe } = course.harness;
  const { inbox } = course.server.app.services;
  const customer = (await stripe.customers.create()).id;
  const [price] = (await stripe.prices.list({ limit: 1 })).data;
  const held = await stripe.subscriptions.create({
    customer,
    items: [{ price: price?.id as string }],
    default_payment_method: 'pm_card_visa',
  });
  const session = await stripe.checkout.sessions.create({
    mode: 'subscription',
    customer,
    line_items: [{ price: price?.id as string, quantity: 1 }],
    success_url: 'http://localhost/',
  });
  await settled(course);
  const about = async (type: string, relatedType: string, id: unknown) => {
    const related = { id: String(id), type: relatedType };
    await inbox.receive(thinOf(`evt_${randomUUID()}`, `v1.${type}`, related));
  };
  await about('customer.subscription.updated', 'subscription', held.id);
  await about('invoice.payment_succeeded', 'invoice', held.latest_invoice);
  await about('checkout.session.completed', 'checkout.session', session.id);
  await about('payment_method.attached', 'payment_method', held.default_payment_method);
  const schedule = await stripe.subscriptionSchedules.create({ from_subscription: held.id });
  const charge = await stripe.charges.create({
    amount: 100,
    currency: 'usd',
    customer,
    source: 'tok_createDispute',
  });
  const { data: events } = await stripe.events.list({ type: 'charge.dispute.created', limit: 1 });
  await about('subscription_schedule.updated', 'subscription_schedule', schedule.id);
  await about('charge.refunded', 'charge', charge.id);
  const dispute = events[0]?.data.object as Stripe.Dispute | undefined;
  await about('charge.dispute.created', 'dispute', dispute?.id);
  await about('billing.meter.error_report_triggered', 'billing.meter', 'mtr_1');
  await settled(course);
}

/** The response to the deletion is lost, so that the customer is gone when it is asked for again. */
async function erasure(course: Course): Promise<void> {
  const tenant = await subscriber(course, 'PRO');
  course.harness.mock.failNext({
    kind: 'connection',
    method: 'DELETE',
    path: '/v1/customers',
    phase: 'after',
  });
  await course.server.app.services.customerErasure.erase(tenant.id, false);
  const other = await subscriber(course, 'PRO');
  await course.server.app.services.customerErasure.erase(other.id, true).catch(() => undefined);
  await settled(course);
}

/** A whole one, and one of each list that goes on after an object. */
async function reconcile({ server, harness }: Course): Promise<void> {
  const { models, services } = server.app;
  const { stripe } = harness;
  const run = async () => void (await services.reconcile.run({ dryRun: true }));
  const goOn = async (phase: 'subscriptions' | 'customers' | 'events', cursor = '') => {
    await models.reconcileRuns.create({
      _id: `rec_${phase}`,
      dryRun: true,
      startedAt: new Date(),
      finishedAt: null,
      phase,
      cursor,
      seen: { subscriptions: 0, customers: 0, gone: 0, events: 0 },
      mendedCount: 0,
      mended: [],
    });
    await run();
  };
  await run();
  await goOn('subscriptions', (await stripe.subscriptions.list({ limit: 1 })).data[0]?.id);
  await goOn('customers', (await stripe.customers.list({ limit: 1 })).data[0]?.id);
  await goOn('events', (await stripe.events.list({ limit: 1 })).data[0]?.id);
}
