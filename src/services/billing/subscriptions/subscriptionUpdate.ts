import type Stripe from 'stripe';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import { WITH_SCHEDULE } from '../sync/fetchedCustomer.js';

/**
 * The idempotency key of a change consists of the action and of the revision that it starts from, so that two clicks are
 * one change and the same change later is another.
 */
export const keyed = (
  action: string,
  { stripeSubscriptionId: id, revision }: BillingSubscriptionDoc,
): Stripe.RequestOptions => ({ idempotencyKey: `${action}:${id}:${revision}` });

export const updateSubscription = (
  stripe: Stripe,
  action: string,
  subscription: BillingSubscriptionDoc,
  params: Stripe.SubscriptionUpdateParams,
): Promise<Stripe.Subscription> =>
  stripe.subscriptions.update(
    subscription.stripeSubscriptionId,
    { ...params, expand: WITH_SCHEDULE },
    keyed(action, subscription),
  );
