/** A mock Stripe on a database of its own, spoken to by the real SDK, with an endpoint that takes its webhooks. */
import { EventEmitter, on } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createMockStripe, type MockStripe, type MockStripeDeps } from '@continuum-billing/mock-stripe';
import Stripe from 'stripe';
import { connectTestDatabase, type TestDatabase } from '../../../../test/support/database.js';

const quiet = () => undefined;
export const SILENT = { debug: quiet, info: quiet, warn: quiet, error: quiet };
export const SECRET = 'whsec_mock_test';
export const DAY_S = 86_400;
export const PRICES = [
  {
    id: 'price_pro',
    productId: 'prod_mock_pro',
    productName: 'Pro',
    unitAmount: '2900',
    currency: 'usd',
    lookupKey: 'pro',
    metadata: { tier: 'PRO' },
  },
  {
    id: 'price_enterprise',
    productId: 'prod_mock_enterprise',
    productName: 'Enterprise',
    unitAmount: '29900',
    currency: 'usd',
    lookupKey: 'enterprise',
    metadata: { tier: 'ENTERPRISE' },
  },
];

export interface Endpoint {
  url: string;
  /** Events whose signature was good, in order of arrival. */
  received: Stripe.Event[];
  /** Bodies whose signature was bad. */
  forged: string[];
  /** The first event that matches, of those that arrived and those to come. */
  event(matches: (event: Stripe.Event) => boolean): Promise<Stripe.Event>;
  /** What to answer; 200 unless set. */
  status: number;
  close(): Promise<void>;
}

export async function openEndpoint(): Promise<Endpoint> {
  const arrivals = new EventEmitter();
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      try {
        const event = Stripe.webhooks.constructEvent(body, request.headers['stripe-signature'] ?? '', SECRET);
        if (endpoint.status === 200) {
          endpoint.received.push(event);
          arrivals.emit('event', event);
        }
      } catch {
        endpoint.forged.push(body);
      }
      response.writeHead(endpoint.status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint: Endpoint = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/billing/webhook`,
    received: [],
    forged: [],
    async event(matches) {
      const arrived = endpoint.received.find(matches);
      if (arrived) return arrived;
      for await (const [event] of on(arrivals, 'event')) if (matches(event)) return event;
      throw new Error('the endpoint is closed');
    },
    status: 200,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return endpoint;
}

export interface Harness {
  database: TestDatabase;
  mock: MockStripe;
  stripe: Stripe;
  endpoint: Endpoint;
  /** A further instance on the same database, not started. */
  another(changes?: Partial<MockStripeDeps>): MockStripe;
  /** Types of the events that arrived since the last call, in order of creation. */
  arrived(): Promise<string[]>;
  close(): Promise<void>;
}

export async function openHarness(changes: Partial<MockStripeDeps> = {}): Promise<Harness> {
  const database = await connectTestDatabase();
  const endpoint = await openEndpoint();
  const another = (more: Partial<MockStripeDeps> = {}) =>
    createMockStripe({
      db: database.connection.db as NonNullable<typeof database.connection.db>,
      log: SILENT,
      webhookSecret: () => SECRET,
      webhookUrl: () => endpoint.url,
      publicUrl: () => 'http://127.0.0.1:4000',
      prices: PRICES,
      ...changes,
      ...more,
    });
  const mock = another();
  await mock.start();
  return {
    database,
    mock,
    stripe: clientOf(mock),
    endpoint,
    another,
    async arrived() {
      await mock.delivered();
      const ids = new Set(endpoint.received.splice(0).map(({ id }) => id));
      const written = await database.connection
        .collection('mock_stripe_events')
        .find()
        .sort({ seq: 1 })
        .toArray();
      return written.filter(({ _id }) => ids.has(String(_id))).map(({ type }) => type as string);
    },
    async close() {
      await mock.stop();
      await endpoint.close();
      await database.dropAndClose();
    },
  };
}

export const clientOf = (mock: MockStripe, apiKey = 'sk_test_mock'): Stripe =>
  new Stripe(apiKey, {
    httpClient: Stripe.createFetchHttpClient(mock.fetch),
    maxNetworkRetries: 0,
    telemetry: false,
  });

export const CHECKOUT = {
  mode: 'subscription',
  line_items: [{ price: 'price_pro', quantity: 1 }],
  customer_email: 'ada@example.com',
  success_url: 'https://app.example.com/done?session={CHECKOUT_SESSION_ID}',
  cancel_url: 'https://app.example.com/plans',
  metadata: { tenant_id: 't1' },
  subscription_data: { metadata: { tenant_id: 't1' } },
} as const;

/** Buys through checkout. */
export async function subscribe(
  { mock, stripe }: Harness,
  changes: object = {},
): Promise<Stripe.Subscription> {
  const session = await stripe.checkout.sessions.create({ ...CHECKOUT, ...changes } as never);
  await mock.checkout.complete(session.id);
  const paid = await stripe.checkout.sessions.retrieve(session.id);
  return stripe.subscriptions.retrieve(paid.subscription as string);
}

/** The first item of a subscription. */
export function itemOf(subscription: Stripe.Subscription): Stripe.SubscriptionItem {
  const [item] = subscription.items.data;
  if (!item) throw new Error('a subscription has an item');
  return item;
}
