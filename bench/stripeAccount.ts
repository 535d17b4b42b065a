import { randomUUID } from 'node:crypto';
import { createMockStripe } from '@continuum-billing/mock-stripe';
import { pino } from 'pino';
import Stripe from 'stripe';
import type { Models } from '../src/models/models.js';
import { endpointOf } from '../src/services/billing/stripe/requestRate.js';
import { openStripeBridge } from '../test/support/stripeBridge.js';
import type { LoadRequest } from './load/load.js';
import type { Progress } from './progress.js';

/** A mock of Stripe in the benchmark's own process, with customers that have a subscription each. */
export interface StripeAccount {
  /** The environment of a server in live mode that uses this as its Stripe. */
  env: Record<string, string>;
  subscriptions: Stripe.Subscription[];
  /** Signed deliveries of events that nobody had before, of all subscriptions in turn. */
  deliveries(count: number): LoadRequest[];
  /** When each request came that the server has sent, in milliseconds, by method and path. */
  asked: Map<string, number[]>;
  close(): Promise<void>;
}

const SECRET = 'whsec_of_the_bench';
const PRICE = 'price_pro';
const API_KEY = 'sk_test_of_the_bench';
/** Made at a time. */
const AT_ONCE = 16;

export const nthTenantId = (n: number) => `ten_stripe_${n}`;

/** @param models whose database the mock keeps its objects in */
export async function openStripeAccount(
  { connection }: Models,
  count: number,
  progress: Progress,
): Promise<StripeAccount> {
  const mock = createMockStripe({
    db: connection.db as NonNullable<typeof connection.db>,
    log: pino({ level: 'silent' }),
    webhookSecret: () => SECRET,
    // What it would tell by itself is not what is measured.
    webhookUrl: () => undefined,
    publicUrl: () => 'http://127.0.0.1',
    prices: [
      { id: PRICE, productName: 'Pro', unitAmount: '2900', currency: 'usd', metadata: { tier: 'PRO' } },
    ],
  });
  await mock.start();
  const asked = new Map<string, number[]>();
  const bridge = await openStripeBridge((input, init) => {
    const endpoint = endpointOf(init?.method ?? 'GET', new URL(String(input)).pathname);
    asked.set(endpoint, [...(asked.get(endpoint) ?? []), performance.now()]);
    return mock.fetch(input, init);
  });
  const stripe = new Stripe(API_KEY, { httpClient: Stripe.createFetchHttpClient(mock.fetch) });
  const subscriptions: Stripe.Subscription[] = [];
  while (subscriptions.length < count) {
    progress(`${subscriptions.length} of ${count} subscriptions at the mock`);
    const first = subscriptions.length;
    const size = Math.min(AT_ONCE * 10, count - first);
    subscriptions.push(...(await makeMany(stripe, first, size)));
  }
  return {
    env: {
      STRIPE_SECRET_KEY: API_KEY,
      STRIPE_WEBHOOK_SECRET: SECRET,
      STRIPE_PRICE_PRO: PRICE,
      STRIPE_API_BASE: bridge.url,
    },
    subscriptions,
    asked,
    deliveries: (many) =>
      Array.from({ length: many }, (_, i) => {
        const body = JSON.stringify(eventOf(subscriptions[i % count] as Stripe.Subscription));
        const signature = stripe.webhooks.generateTestHeaderString({ payload: body, secret: SECRET });
        return { headers: { 'content-type': 'application/json', 'stripe-signature': signature }, body };
      }),
    async close() {
      await bridge.close();
      await mock.stop();
    },
  };
}

async function makeMany(stripe: Stripe, first: number, size: number): Promise<Stripe.Subscription[]> {
  const made: Stripe.Subscription[] = [];
  let next = 0;
  async function maker(): Promise<void> {
    while (next < size) made.push(await makeSubscription(stripe, nthTenantId(first + next++)));
  }
  await Promise.all(Array.from({ length: AT_ONCE }, maker));
  return made;
}

async function makeSubscription(stripe: Stripe, tenantId: string): Promise<Stripe.Subscription> {
  const metadata = { tenant_id: tenantId };
  const customer = await stripe.customers.create({ metadata });
  const card = { default_payment_method: 'pm_card_visa' };
  return stripe.subscriptions.create({ customer: customer.id, items: [{ price: PRICE }], metadata, ...card });
}

/** As Stripe shows it. */
export const eventOf = (subscription: Stripe.Subscription) => ({
  id: `evt_${randomUUID().replaceAll('-', '')}`,
  object: 'event',
  api_version: Stripe.API_VERSION,
  created: Math.floor(Date.now() / 1000),
  type: 'customer.subscription.updated',
  livemode: false,
  pending_webhooks: 1,
  request: { id: null, idempotency_key: null },
  data: { object: subscription, previous_attributes: { cancel_at_period_end: true } },
});
