import type Stripe from 'stripe';
import { type BillingSubscriptionDoc, ENDED } from '../../../models/billingSubscription.js';
import { expanding } from '../stripe/olderApi.js';
import { isMissing } from '../stripe/stripeErrors.js';

/** What an answer must have of a subscription for its scheduled tier to be read. */
export const WITH_SCHEDULE = ['schedule'];
export const LISTED_WITH_SCHEDULE = WITH_SCHEDULE.map((field) => `data.${field}`);

/** What Stripe shows of a customer now. */
export type FetchedCustomer =
  | {
      kind: 'present';
      customer: Stripe.Customer;
      /** Newest first. */
      subscriptions: Stripe.Subscription[];
      /** Whether the stored subscription has not ended and Stripe does not show it. */
      isStoredUnseen: boolean;
    }
  /** Stripe says so. Its subscriptions ended with it. */
  | { kind: 'deleted' }
  /** Stripe has no such customer, or it belongs to another account or mode than the key: which of them, nobody knows. */
  | { kind: 'unseen' };

/**
 * Stripe shows less to the server's key than what is stored here, so the key may be of another account or mode. Nothing
 * was changed for it.
 */
export class NotVisibleError extends Error {
  constructor(object: string) {
    super(
      `Stripe does not show ${object} to STRIPE_SECRET_KEY: it may belong to another account, or to the other mode. Nothing was changed`,
    );
    this.name = 'NotVisibleError';
  }
}

/** The newest of a customer; of older ones only that which is stored is looked at. */
const MAX_LISTED = 100;

/** One request, unless the customer has no subscription yet, or the stored one is not listed. */
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
  return { kind: 'present', customer, subscriptions, isStoredUnseen: isUnlisted && !unlisted };
}

const fetchSubscription = (stripe: Stripe, id: string): Promise<Stripe.Subscription | null> =>
  orNull(expanding([], WITH_SCHEDULE, (expand) => stripe.subscriptions.retrieve(id, { expand })));

/** @returns null for what the key does not see, be it gone or never there */
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
