import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  advance,
  beginCheckout,
  customerIdOf,
  mockOf,
  press,
  SUBSCRIPTION,
  settled,
  stripeOf,
  subscriptionOf,
  tierOfNextCall,
} from '../support/billing.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer } from '../support/server.js';
import { PRO_CENTS, TEAM_CENTS, teamCatalogueFile } from '../support/teamCatalogue.js';

const DAY_S = 86_400;
const HOUR_S = 3_600;
const clock = createFakeClock('2026-11-01T00:00:00Z');
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ clock, env: { CATALOG_FILE: teamCatalogueFile() } });
});
afterAll(() => server?.stop());
afterEach(() => mockOf(server).clearFailures());

const SCHEDULED = `${SUBSCRIPTION} scheduledTier scheduledAt`;
const changeTier = (key: string, tier: string, input: object = {}) =>
  server.gql(`mutation ($input: ChangeTierInput!) { changeTier(input: $input) { ${SCHEDULED} } }`, {
    key,
    variables: { input: { tier, ...input } },
  });
const preview = async (key: string, tier: string, immediately = false) => {
  const { data, errors } = await server.gql(
    `query ($tier: TierName!, $immediately: Boolean!) { previewTierChange(tier: $tier, immediately: $immediately) {
      tier immediately effectiveAt currency amountDueNowCents prorationCents nextInvoiceCents nextInvoiceAt } }`,
    { key, variables: { tier, immediately } },
  );
  expect(errors).toEqual([]);
  return data.previewTierChange;
};
const CANCEL = `mutation { cancelSubscription { ${SCHEDULED} } }`;
const RESUME = `mutation { resumeSubscription { ${SCHEDULED} } }`;

async function subscriber(tier: string) {
  const tenant = await server.createTenant();
  await press(await beginCheckout(server, tenant.key, { tier }), 'complete');
  expect(await tierOfNextCall(server, tenant.key)).toBe(tier.toLowerCase());
  return tenant;
}
const atStripe = async (tenantId: string) => {
  const customer = await customerIdOf(server, tenantId);
  const { data } = await stripeOf(server).subscriptions.list({ customer, status: 'all' });
  expect(data).toHaveLength(1);
  return data[0] as (typeof data)[0];
};
const invoicesOf = async (tenantId: string) =>
  (await stripeOf(server).invoices.list({ customer: await customerIdOf(server, tenantId) })).data;
/** Moves Stripe and us past the end of the tenant's period, and past the hour for which its invoice stays a draft. */
async function nextPeriod(key: string): Promise<void> {
  const { currentPeriodEnd } = await subscriptionOf(server, key);
  const leftMs = Date.parse(currentPeriodEnd) - (await mockOf(server).now()).getTime();
  await advance(server, Math.ceil(leftMs / 1000) + HOUR_S + 60);
}

describe('an upgrade', () => {
  it('is felt at the next call, and charges what was previewed for the rest of the period', async () => {
    const { id, key } = await subscriber('PRO');
    await advance(server, 10 * DAY_S);
    const before = await subscriptionOf(server, key);
    const told = await preview(key, 'TEAM');
    expect(told).toMatchObject({
      tier: 'TEAM',
      immediately: true,
      currency: 'usd',
      nextInvoiceCents: TEAM_CENTS,
    });
    expect(told.nextInvoiceAt).toBe(before.currentPeriodEnd);
    // Two thirds of the difference of a month of 30 days.
    expect(told.amountDueNowCents).toBe(Math.round(((TEAM_CENTS - PRO_CENTS) * 20) / 30));
    expect(told.prorationCents).toBe(told.amountDueNowCents);

    const { data, errors } = await changeTier(key, 'TEAM');
    expect(errors).toEqual([]);
    expect(data.changeTier).toMatchObject({ tier: { name: 'TEAM' }, status: 'ACTIVE', scheduledTier: null });
    expect(await tierOfNextCall(server, key)).toBe('team');
    const [latest] = await invoicesOf(id);
    expect(latest).toMatchObject({ status: 'paid', amount_paid: told.amountDueNowCents });
    expect((await atStripe(id)).metadata).toMatchObject({ tenant_id: id, tier: 'team' });
  });

  it('whose card is declined changes nothing, says what to do, and can be repeated', async () => {
    const { id, key } = await subscriber('PRO');
    const customer = await customerIdOf(server, id);
    await stripeOf(server).customers.update(customer, { metadata: { mock_card: 'decline' } });
    const { status, errors } = await changeTier(key, 'TEAM');
    expect(status).toBe(502);
    expect(errors[0]?.extensions).toMatchObject({
      code: 'PAYMENT_PROVIDER_ERROR',
      stripeCode: 'card_declined',
    });
    expect(errors[0]?.message).toMatch(/declined.*another card.*createPortalSession/);
    expect(await tierOfNextCall(server, key)).toBe('pro');
    expect(await subscriptionOf(server, key)).toMatchObject({ status: 'ACTIVE', tier: { name: 'PRO' } });
    await stripeOf(server).customers.update(customer, { metadata: { mock_card: '' } });
    expect((await changeTier(key, 'TEAM')).data.changeTier.tier.name).toBe('TEAM');
  });

  it('by ten clicks at once is charged once, also when its answers are lost', async () => {
    const { id, key } = await subscriber('PRO');
    mockOf(server).failNext({
      kind: 'connection',
      method: 'POST',
      path: '/v1/subscriptions',
      phase: 'after',
      times: 4,
    });
    const answers = await Promise.all(Array.from({ length: 10 }, () => changeTier(key, 'TEAM')));
    // Five run at once; on a busy machine not all of the others have their turn within a second.
    expect(answers.filter(({ status }) => ![200, 429, 502].includes(status))).toEqual([]);
    mockOf(server).clearFailures();
    expect((await changeTier(key, 'TEAM')).status).toBe(200);
    await settled(server);
    expect(await tierOfNextCall(server, key)).toBe('team');
    expect(
      (await invoicesOf(id)).filter(({ billing_reason: why }) => why === 'subscription_update'),
    ).toHaveLength(1);
  });

  it('is one change at Stripe, and the same again none', async () => {
    const { key } = await subscriber('PRO');
    const requests = mockOf(server).requestsSince();
    await changeTier(key, 'TEAM');
    const changes = (lines: string[]) => lines.filter((line) => !line.startsWith('GET'));
    expect(changes(requests())).toEqual([expect.stringMatching(/^POST \/v1\/subscriptions\/sub_mock_\w+$/)]);
    const more = mockOf(server).requestsSince();
    expect((await changeTier(key, 'TEAM')).status).toBe(200);
    expect(changes(more())).toEqual([]);
  });
});

describe('a downgrade', () => {
  it('comes at the end of the period, which keeps its tier, and is billed at the smaller price', async () => {
    const { id, key } = await subscriber('TEAM');
    const { currentPeriodEnd } = await subscriptionOf(server, key);
    expect(await preview(key, 'PRO')).toEqual({
      tier: 'PRO',
      immediately: false,
      effectiveAt: currentPeriodEnd,
      currency: 'usd',
      amountDueNowCents: 0,
      prorationCents: 0,
      nextInvoiceCents: PRO_CENTS,
      nextInvoiceAt: currentPeriodEnd,
    });
    const { data, errors } = await changeTier(key, 'PRO');
    expect(errors).toEqual([]);
    expect(data.changeTier).toMatchObject({
      tier: { name: 'TEAM' },
      scheduledTier: 'PRO',
      scheduledAt: currentPeriodEnd,
    });
    await settled(server);
    expect(await tierOfNextCall(server, key)).toBe('team');
    await nextPeriod(key);
    expect(await tierOfNextCall(server, key)).toBe('pro');
    const [latest] = await invoicesOf(id);
    expect(latest).toMatchObject({ billing_reason: 'subscription_cycle', total: PRO_CENTS, status: 'paid' });
    const now = await server.gql(`{ subscription { ${SCHEDULED} } }`, { key });
    expect(now.data.subscription).toMatchObject({ scheduledTier: null, scheduledAt: null });
    await nextPeriod(key);
    expect((await invoicesOf(id))[0]?.total).toBe(PRO_CENTS);
    expect((await atStripe(id)).schedule).toBeNull();
  });

  it('keeps the discount of a promotion code', async () => {
    const stripe = stripeOf(server);
    const { id: coupon } = await stripe.coupons.create({ percent_off: 50, duration: 'forever' });
    await stripe.promotionCodes.create({ code: 'HALF', promotion: { type: 'coupon', coupon } });
    const { id, key } = await server.createTenant();
    const checkout = await beginCheckout(server, key, { tier: 'TEAM' });
    const body = new URLSearchParams({ promotion_code: 'HALF' });
    await fetch(`${checkout.localUrl}/complete`, { method: 'POST', redirect: 'manual', body });
    expect((await changeTier(key, 'PRO')).errors).toEqual([]);
    await nextPeriod(key);
    expect((await invoicesOf(id)).map(({ total }) => total)).toEqual([PRO_CENTS / 2, TEAM_CENTS / 2]);
  });

  it('asked for at once is at once, and the rest of the period is credited', async () => {
    const { id, key } = await subscriber('TEAM');
    const told = await preview(key, 'PRO', true);
    expect(told).toMatchObject({ immediately: true, amountDueNowCents: 0 });
    expect(told.prorationCents).toBeLessThan(0);
    const { data } = await changeTier(key, 'PRO', { immediately: true });
    expect(data.changeTier.tier.name).toBe('PRO');
    expect(await tierOfNextCall(server, key)).toBe('pro');
    const customer = await stripeOf(server).customers.retrieve(await customerIdOf(server, id));
    expect(customer.deleted ? 0 : customer.balance).toBe(told.prorationCents);
  });

  it.each([
    ['resumeSubscription', (key: string) => server.gql(RESUME, { key })],
    ['changeTier to the present tier', (key: string) => changeTier(key, 'TEAM')],
  ])('is taken back by %s', async (_how, takeBack) => {
    const { id, key } = await subscriber('TEAM');
    await changeTier(key, 'PRO');
    const { data } = await takeBack(key);
    expect(Object.values(data)[0]).toMatchObject({ scheduledTier: null, tier: { name: 'TEAM' } });
    expect((await atStripe(id)).schedule).toBeNull();
    await nextPeriod(key);
    expect(await tierOfNextCall(server, key)).toBe('team');
  });

  it('that is scheduled gives way to a cancellation, and to an upgrade', async () => {
    const { key } = await subscriber('TEAM');
    await changeTier(key, 'PRO');
    const cancelled = await server.gql(CANCEL, { key });
    expect(cancelled.data.cancelSubscription).toMatchObject({ cancelAtPeriodEnd: true, scheduledTier: null });
    const again = await changeTier(key, 'PRO');
    expect(again.errors).toEqual([]);
    expect(again.data.changeTier).toMatchObject({ cancelAtPeriodEnd: false, scheduledTier: 'PRO' });
    await nextPeriod(key);
    expect(await tierOfNextCall(server, key)).toBe('pro');
    // The schedule still holds the subscription in its second phase.
    expect((await changeTier(key, 'TEAM')).data.changeTier.tier.name).toBe('TEAM');
    expect((await server.gql(CANCEL, { key })).data.cancelSubscription.cancelAtPeriodEnd).toBe(true);
  });

  it.each([
    ['/v1/subscription_schedules', 'before', 502],
    ['/v1/subscription_schedules', 'after', 502],
    ['/v1/subscription_schedules/', 'before', 502],
    // Stripe's state shows that all of it was done.
    ['/v1/subscription_schedules/', 'after', 200],
  ] as const)('cut short at %s (%s) is done by asking again', async (path, phase, status) => {
    const { key } = await subscriber('TEAM');
    mockOf(server).failNext({ kind: 'connection', method: 'POST', path, phase, times: 3 });
    expect((await changeTier(key, 'PRO')).status).toBe(status);
    mockOf(server).clearFailures();
    await settled(server);
    const { data, errors } = await changeTier(key, 'PRO');
    expect(errors).toEqual([]);
    expect(data.changeTier.scheduledTier).toBe('PRO');
  });
});

describe('a change to FREE', () => {
  it('is the end of the subscription at the end of the period, and can be taken back', async () => {
    const { key } = await subscriber('PRO');
    const { currentPeriodEnd } = await subscriptionOf(server, key);
    expect(await preview(key, 'FREE')).toMatchObject({
      immediately: false,
      effectiveAt: currentPeriodEnd,
      amountDueNowCents: 0,
      nextInvoiceCents: null,
    });
    const { data } = await changeTier(key, 'FREE');
    expect(data.changeTier).toMatchObject({ tier: { name: 'PRO' }, cancelAtPeriodEnd: true });
    expect((await changeTier(key, 'PRO')).data.changeTier).toMatchObject({ cancelAtPeriodEnd: false });
    await changeTier(key, 'FREE');
    await nextPeriod(key);
    expect(await tierOfNextCall(server, key)).toBe('free');
  });
});

describe('a change of tier is rejected', () => {
  it('without a subscription, and points to createCheckoutSession', async () => {
    const { key } = await server.createTenant();
    const { status, errors } = await changeTier(key, 'PRO');
    expect(status).toBe(400);
    expect(errors[0]?.message).toContain('createCheckoutSession');
    expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    const previewed = await server.gql('{ previewTierChange(tier: PRO) { tier } }', { key });
    expect(previewed.errors[0]?.message).toContain('createCheckoutSession');
  });

  it('for a tier that is priced by contract', async () => {
    const { key } = await subscriber('PRO');
    const { status, errors } = await changeTier(key, 'ENTERPRISE');
    expect(status).toBe(400);
    expect(errors[0]?.message).toContain('custom pricing, contact sales');
    expect(errors[0]?.extensions.argument).toBe('input.tier');
  });

  it('while a payment is due, and points to the portal', async () => {
    const { id, key } = await subscriber('PRO');
    const customer = await customerIdOf(server, id);
    await stripeOf(server).customers.update(customer, { metadata: { mock_card: 'decline' } });
    await nextPeriod(key);
    const { status, errors } = await changeTier(key, 'TEAM');
    expect(status).toBe(400);
    expect(errors[0]?.message).toMatch(/past_due.*createPortalSession/);
  });
});

describe('a change at the end of the period', () => {
  /** All that Stripe bills by, but what is bought. */
  const settingsAtStripe = async (tenantId: string) => {
    const subscription = await atStripe(tenantId);
    const { items, schedule: _schedule, latest_invoice: _invoice, metadata, ...settings } = subscription;
    return {
      settings,
      marks: metadata,
      items: items.data.map(({ price, quantity, tax_rates: rates, metadata: notes }) => ({
        price: price.id,
        quantity,
        rates: rates?.map(({ id }) => id),
        notes,
      })),
    };
  };

  /** A TEAM subscription that the operator has made their own in the Dashboard. */
  async function customized() {
    const stripe = stripeOf(server);
    const tenant = await subscriber('TEAM');
    const { id, items, customer } = await atStripe(tenant.id);
    const { id: product } = await stripe.products.create({ name: 'Support' });
    const support = await stripe.prices.create({
      product,
      currency: 'usd',
      unit_amount: 700,
      recurring: { interval: 'month' },
    });
    const rate = (percentage: number) =>
      stripe.taxRates.create({ display_name: 'VAT', percentage, inclusive: false });
    const [vat, reduced] = await Promise.all([rate(19), rate(7)]);
    const { id: coupon } = await stripe.coupons.create({ percent_off: 10, duration: 'forever' });
    await stripe.customers.update(customer as string, { address: { country: 'DE' } });
    await stripe.subscriptions.update(id, {
      items: [
        {
          id: items.data[0]?.id as string,
          quantity: 3,
          tax_rates: [reduced.id],
          metadata: { seats: 'three' },
        },
        { price: support.id, quantity: 2 },
      ],
      proration_behavior: 'none',
      default_tax_rates: [vat.id],
      discounts: [{ coupon }],
      automatic_tax: { enabled: true, liability: { type: 'self' } },
      billing_thresholds: { amount_gte: 90_000 },
      collection_method: 'send_invoice',
      days_until_due: 14,
      default_payment_method: 'pm_card_visa',
      description: 'Three seats',
      invoice_settings: { footer: 'Thank you', custom_fields: [{ name: 'PO', value: '7' }] },
      metadata: { salesperson: 'Ada' },
      on_behalf_of: 'acct_1',
      transfer_data: { destination: 'acct_1', amount_percent: 20 },
      application_fee_percent: 5,
    });
    await settled(server);
    return { ...tenant, support: support.id };
  }

  it('changes nothing that runs, and afterwards the price of its tier alone', async () => {
    const { id, key, support } = await customized();
    const before = await settingsAtStripe(id);
    expect((await changeTier(key, 'PRO')).errors).toEqual([]);
    expect(await settingsAtStripe(id)).toEqual(before);

    await nextPeriod(key);
    const after = await settingsAtStripe(id);
    const [tierItem] = before.items;
    expect(after.items).toEqual([
      { ...tierItem, price: server.app.services.tiers.getStripePriceId('PRO') },
      before.items.find(({ price }) => price === support),
      {
        price: server.app.services.tiers.getOveragePriceId('PRO'),
        quantity: undefined,
        rates: [],
        notes: {},
      },
    ]);
    expect(after.settings).toEqual({ ...before.settings, items: undefined });
    expect(after.marks).toEqual({ ...before.marks, tier: 'pro' });
    expect(await tierOfNextCall(server, key)).toBe('pro');
  });

  it('leaves all as it was when it is taken back, and when it is changed again', async () => {
    const { id, key } = await customized();
    const before = await settingsAtStripe(id);
    await changeTier(key, 'PRO');
    await server.gql(RESUME, { key });
    expect(await settingsAtStripe(id)).toEqual(before);
    await changeTier(key, 'PRO');
    await server.gql(CANCEL, { key });
    await server.gql(RESUME, { key });
    const { items, settings } = await settingsAtStripe(id);
    expect(items).toEqual(before.items);
    expect(settings).toEqual({ ...before.settings, cancellation_details: settings.cancellation_details });
  });
});

describe('a change at once', () => {
  it('keeps the quantity and the other items', async () => {
    const stripe = stripeOf(server);
    const { id, key } = await subscriber('PRO');
    const { id: subscription, items } = await atStripe(id);
    await stripe.subscriptions.update(subscription, {
      items: [{ id: items.data[0]?.id as string, quantity: 4 }],
    });
    await settled(server);
    const { id: product } = await stripe.products.create({ name: 'Support' });
    const recurring = { interval: 'month' as const };
    const support = await stripe.prices.create({ product, currency: 'usd', unit_amount: 700, recurring });
    await stripe.subscriptions.update(subscription, { items: [{ price: support.id, quantity: 2 }] });
    await settled(server);
    expect((await changeTier(key, 'TEAM')).errors).toEqual([]);
    const kept = (await atStripe(id)).items.data.filter(({ price }) => price.recurring?.meter === null);
    expect(kept.map(({ quantity }) => quantity)).toEqual([4, 2]);
  });
});

describe('a schedule that the operator made at Stripe', () => {
  async function scheduled(phases: number, end: 'cancel' | 'release' = 'release') {
    const stripe = stripeOf(server);
    const tenant = await subscriber('TEAM');
    const { id, items } = await atStripe(tenant.id);
    const made = await stripe.subscriptionSchedules.create({ from_subscription: id });
    const price = items.data[0]?.price.id as string;
    const [first] = made.phases;
    await stripe.subscriptionSchedules.update(made.id, {
      end_behavior: end,
      phases: [
        { items: [{ price }], start_date: first?.start_date as number, end_date: first?.end_date as number },
        ...Array.from({ length: phases }, (_, i) => ({
          items: [{ price, quantity: i + 2 }],
          duration: { interval: 'month' as const, interval_count: 1 },
        })),
      ],
    });
    await settled(server);
    return { ...tenant, schedule: made.id };
  }

  it.each([
    ['an upgrade or downgrade', (key: string) => changeTier(key, 'PRO')],
    ['one at once', (key: string) => changeTier(key, 'PRO', { immediately: true })],
    ['a cancellation at the end of the period', (key: string) => server.gql(CANCEL, { key })],
  ])('is not lost by %s, which says what to do', async (_what, change) => {
    const { id, key, schedule } = await scheduled(2);
    const { status, errors } = await change(key);
    expect(status).toBe(400);
    expect(errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect(errors[0]?.message).toMatch(/schedule sub_sched_mock_\w+.*ask the operator/);
    expect((await atStripe(id)).schedule).toBe(schedule);
  });

  it('that ends the subscription is not lost either', async () => {
    const { key } = await scheduled(0, 'cancel');
    expect((await changeTier(key, 'PRO')).status).toBe(400);
  });

  it('that has nothing more to come stands in no way', async () => {
    const { key } = await scheduled(0);
    expect((await changeTier(key, 'PRO')).data.changeTier.scheduledTier).toBe('PRO');
  });

  it('does not keep a tenant from ending its subscription at once', async () => {
    const { key } = await scheduled(2);
    const { data, errors } = await server.gql(
      'mutation { cancelSubscription(input: { atPeriodEnd: false }) { status } }',
      { key },
    );
    expect(errors).toEqual([]);
    expect(data.cancelSubscription.status).toBe('CANCELED');
  });
});
