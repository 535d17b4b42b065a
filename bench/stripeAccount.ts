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
  /** Changes what the mock has. No event follows. */
  stripe: Stripe;
  /** Signed deliveries of events that nobody had before, of all subscriptions in turn. */
  deliveries(count: number): LoadRequest[];
  /** A signed delivery of an event. */
  deliveryOf(event: object): LoadRequest;
  /** When each request came that the server has sent, in milliseconds, by method and path. */
  asked: Map<string, number[]>;
  /** When the server had its last answer, in milliseconds. */
  answeredAtMs(): number;
  close(): Promise<void>;
}

const SECRET = 'whsec_of_the_bench';
const PRICE = 'price_pro';
export const LARGER_PRICE = 'price_enterprise';
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
      {
        id: LARGER_PRICE,
        productName: 'Enterprise',
        unitAmount: '29900',
        currency: 'usd',
        metadata: { tier: 'ENTERPRISE' },
      },
    ],
  });
  await mock.start();
  const asked = new Map<string, number[]>();
  let answeredAtMs = 0;
  const bridge = await openStripeBridge(async (input, init) => {
    const endpoint = endpointOf(init?.method ?? 'GET', new URL(String(input)).pathname);
    asked.set(endpoint, [...(asked.get(endpoint) ?? []), performance.now()]);
    const response = await mock.fetch(input, init);
    answeredAtMs = performance.now();
    return response;
  });
  const stripe = new Stripe(API_KEY, { httpClient: Stripe.createFetchHttpClient(mock.fetch) });
  const subscriptions: Stripe.Subscription[] = [];
  while (subscriptions.length < count) {
    progress(`${subscriptions.length} of ${count} subscriptions at the mock`);
    const first = subscriptions.length;
    const size = Math.min(AT_ONCE * 10, count - first);
    subscriptions.push(...(await makeMany(stripe, first, size)));
  }
  function deliveryOf(event: object): LoadRequest {
    const body = JSON.stringify(event);
    const signature = stripe.webhooks.generateTestHeaderString({ payload: body, secret: SECRET });
    return { headers: { 'content-type': 'application/json', 'stripe-signature': signature }, body };
  }
  return {
    env: {
      STRIPE_SECRET_KEY: API_KEY,
      STRIPE_WEBHOOK_SECRET: SECRET,
      STRIPE_PRICE_PRO: PRICE,
      STRIPE_PRICE_ENTERPRISE: LARGER_PRICE,
      STRIPE_API_BASE: bridge.url,
    },
    subscriptions,
    asked,
    stripe,
    answeredAtMs: () => answeredAtMs,
    deliveryOf,
    deliveries: (many) =>
      Array.from({ length: many }, (_, i) =>
        deliveryOf(eventOf(subscriptions[i % count] as Stripe.Subscription)),
      ),
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

/** As Stripe shows it. @param previous what was changed */
export const eventOf = (
  object: object,
  type = 'customer.subscription.updated',
  previous: object = { cancel_at_period_end: true },
  createdS = Math.floor(Date.now() / 1000),
) => ({
  id: `evt_${randomUUID().replaceAll('-', '')}`,
  object: 'event',
  api_version: Stripe.API_VERSION,
  created: createdS,
  type,
  livemode: false,
  pending_webhooks: 1,
  request: { id: null, idempotency_key: null },
  data: { object, previous_attributes: previous },
});
