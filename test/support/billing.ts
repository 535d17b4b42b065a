import type { MockStripe } from '@continuum-billing/mock-stripe';
import Stripe from 'stripe';
import { expect } from 'vitest';
import type { GraphQLAnswer, TestServer } from './server.js';

/** What tests of paying do over and over. */

export const SUCCESS_URL = 'https://shop.example/thanks';
export const CANCEL_URL = 'https://shop.example/prices';

export interface StartedCheckout {
  id: string;
  url: string;
  localUrl: string;
}

export function mockOf(server: TestServer): MockStripe {
  const { mock } = server.app.services;
  if (!mock) throw new Error('The server is in live mode');
  return mock.mockStripe;
}

/** Stripe as its dashboard has it: past our server, the same objects. */
export const stripeOf = (server: TestServer): Stripe =>
  new Stripe('sk_test_mock', { httpClient: Stripe.createFetchHttpClient(mockOf(server).fetch) });

export function askCheckout(server: TestServer, key: string, input: object = {}): Promise<GraphQLAnswer> {
  return server.gql(
    'mutation ($input: CreateCheckoutSessionInput!) { createCheckoutSession(input: $input) { id url localUrl } }',
    {
      key,
      variables: { input: { tier: 'PRO', successUrl: SUCCESS_URL, cancelUrl: CANCEL_URL, ...input } },
    },
  );
}

export async function beginCheckout(
  server: TestServer,
  key: string,
  input: object = {},
): Promise<StartedCheckout> {
  const { data, errors } = await askCheckout(server, key, input);
  expect(errors).toEqual([]);
  return data.createCheckoutSession;
}

/** Presses a button of the checkout's page. */
export const press = (checkout: StartedCheckout, button: 'complete' | 'decline'): Promise<Response> =>
  fetch(`${checkout.localUrl}/${button}`, { method: 'POST', redirect: 'manual' });

/** Buys PRO. */
export async function subscribe(server: TestServer, key: string): Promise<StartedCheckout> {
  const checkout = await beginCheckout(server, key);
  expect((await press(checkout, 'complete')).status).toBe(303);
  return checkout;
}

export const SUBSCRIPTION = `tier { name } status currentPeriodStart currentPeriodEnd cancelAtPeriodEnd cancelAt
  stripeSubscriptionId`;

export async function subscriptionOf(server: TestServer, key: string) {
  const { data, errors } = await server.gql(`{ subscription { ${SUBSCRIPTION} } }`, { key });
  expect(errors).toEqual([]);
  return data.subscription;
}

/** The tier that a metered call runs with, from its headers. */
export async function tierOfNextCall(server: TestServer, key: string): Promise<string | null> {
  const answer = await server.gql('{ memories { pageInfo { hasNextPage } } }', { key });
  expect(answer.errors).toEqual([]);
  return answer.headers.get('x-tier');
}

/** Resolves when what happened at Stripe is known here. */
export async function settled(server: TestServer): Promise<void> {
  await mockOf(server).delivered();
  await server.app.services.inbox.idle(10_000);
}

/** Moves Stripe's clock, and waits until we know what has followed: however slow the machine is. */
export async function advance(server: TestServer, seconds: number): Promise<void> {
  await mockOf(server).advanceClock(seconds);
  await settled(server);
}

export async function customerIdOf(server: TestServer, tenantId: string): Promise<string> {
  const doc = await server.app.models.billingCustomers.findById(tenantId).lean();
  if (!doc?.stripeCustomerId) throw new Error(`${tenantId} has no customer`);
  return doc.stripeCustomerId;
}
