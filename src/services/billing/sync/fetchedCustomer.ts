import type Stripe from 'stripe';
import { type BillingSubscriptionDoc, ENDED } from '../../../models/billingSubscription.js';
import { expanding } from '../stripe/olderApi.js';
import { isMissing } from '../stripe/stripeErrors.js';

/** Expanded in each fetched subscription, so that its scheduled tier can be read. */
export const WITH_SCHEDULE = ['schedule'];
export const LISTED_WITH_SCHEDULE = WITH_SCHEDULE.map((field) => `data.${field}`);

/** A customer as Stripe shows it now. */
export type FetchedCustomer =
  | {
      kind: 'found';
      customer: Stripe.Customer;
      /** Newest first. */
      subscriptions: Stripe.Subscription[];
      /** Whether the stored subscription has not ended but is not shown by Stripe. */
      isStoredUnseen: boolean;
      /** When Stripe answered, by its clock; null: it did not say. */
      asOf: Date | null;
    }
  /** Stripe reports the customer as deleted; its subscriptions ended with it. */
  | { kind: 'deleted' }
  /** There is no such customer, or it belongs to another account or mode than the key. Stripe does not say which. */
  | { kind: 'unseen' };

/**
 * Something that is stored here is not visible to the server's key, so the key may belong to another account or mode.
 * Nothing was changed.
 */
export class NotVisibleError extends Error {
  constructor(object: string) {
    super(
      `STRIPE_SECRET_KEY cannot read ${object} at Stripe: it may belong to another account or to the other mode. Nothing was changed`,
    );
    this.name = 'NotVisibleError';
  }
}

/** A customer's newest subscriptions; among older ones only the stored one is fetched. */
const MAX_LISTED = 100;

/** Takes one request, unless the customer has no subscription yet or the stored one is not listed. */
export async function fetchCustomer(
  stripe: Stripe,
  id: string,
  stored: BillingSubscriptionDoc | null,
): Promise<FetchedCustomer> {
  const listed = await orNull(
    expanding(['data.customer'], LISTED_WITH_SCHEDULE, (expand) =>
      stripe.subscriptions.list({ customer: id, status: 'all', limit: MAX_LISTED, expand }),
    ),
  );
  const found = (listed?.data ?? []).filter((subscription) => customerIdOf(subscription) === id);
  const expanded = found.map(({ customer }) => customer).find((customer) => typeof customer === 'object');
  const customer = expanded ?? (await orNull(stripe.customers.retrieve(id)));
  if (!customer) return { kind: 'unseen' };
  if (customer.deleted) return { kind: 'deleted' };
  const isLive = stored !== null && stored.stripeCustomerId === id && !ENDED.includes(stored.status);
  const isUnlisted = isLive && !found.some((subscription) => subscription.id === stored.stripeSubscriptionId);
  const unlisted = isUnlisted ? await fetchSubscription(stripe, stored.stripeSubscriptionId) : null;
  const subscriptions = [...found, ...(unlisted ? [unlisted] : [])].toSorted((a, b) => b.created - a.created);
  const asOf = answeredAt(listed);
  return { kind: 'found', customer, subscriptions, isStoredUnseen: isUnlisted && !unlisted, asOf };
}

/** @returns when Stripe sent a response, by its clock; null: the response does not say */
export function answeredAt(response: object | null): Date | null {
  const { lastResponse } = (response ?? {}) as Partial<Stripe.Response<object>>;
  const at = new Date(lastResponse?.headers?.date ?? Number.NaN);
  return Number.isNaN(at.getTime()) ? null : at;
}

const fetchSubscription = (stripe: Stripe, id: string): Promise<Stripe.Subscription | null> =>
  orNull(expanding([], WITH_SCHEDULE, (expand) => stripe.subscriptions.retrieve(id, { expand })));

/** @returns null for an object that the key cannot see */
async function orNull<T>(request: Promise<T>): Promise<T | null> {
  try {
    return await request;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

export const customerIdOf = ({ customer }: Stripe.Subscription): string =>
  typeof customer === 'string' ? customer : customer.id;
