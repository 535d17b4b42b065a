import type Stripe from 'stripe';
import { BillingError, badInput } from '../../errors.js';
import { type BillingSubscriptionDoc, ENDED } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';
import type { SubscriptionSync } from '../stripe/subscriptionSync.js';

/** What is asked of Stripe; null: nothing is left to do. */
export type PlannedChange = (() => Promise<Stripe.Subscription>) | null;

/** The subscriptions that tenants have now. */
export interface HeldSubscriptions {
  /** As Stripe has it now: a webhook may still be on its way. @returns null where there is none, or it has ended */
  current(tenantId: string): Promise<BillingSubscriptionDoc | null>;
  /** As it was written last, without a call to Stripe. */
  stored(tenantId: string): Promise<BillingSubscriptionDoc | null>;
  /**
   * Changes a subscription. The plan is made from what is stored, and costs no call before its own; where it finds
   * nothing to do, or refuses, it is made again from what Stripe has.
   * @returns what is stored then
   * @throws BAD_USER_INPUT without a subscription
   */
  change(
    tenantId: string,
    plan: (subscription: BillingSubscriptionDoc) => PlannedChange,
  ): Promise<BillingSubscriptionDoc>;
}

export function createHeldSubscriptions(deps: { models: Models; sync: SubscriptionSync }): HeldSubscriptions {
  const { models, sync } = deps;

  async function stored(tenantId: string): Promise<BillingSubscriptionDoc | null> {
    const doc = await models.billingSubscriptions.findById(tenantId).lean<BillingSubscriptionDoc>();
    return doc && !ENDED.includes(doc.status) ? doc : null;
  }

  async function current(tenantId: string): Promise<BillingSubscriptionDoc | null> {
    await sync.syncTenant(tenantId);
    return stored(tenantId);
  }

  return {
    stored,
    current,
    async change(tenantId, plan) {
      const known = await stored(tenantId);
      const planned = known && withoutDoubt(known, plan);
      if (known && planned) return sync.change(known, planned);
      const subscription = await current(tenantId);
      if (!subscription) {
        throw badInput('subscription', 'there is no paid subscription; begin one with createCheckoutSession');
      }
      const change = plan(subscription);
      return change ? sync.change(subscription, change) : subscription;
    },
  };
}

/** @returns null also for a refusal: what is stored may be behind */
function withoutDoubt(
  known: BillingSubscriptionDoc,
  plan: (subscription: BillingSubscriptionDoc) => PlannedChange,
): PlannedChange {
  // Written before items were: Stripe tells.
  if (!known.itemId) return null;
  try {
    return plan(known);
  } catch (error) {
    if (error instanceof BillingError) return null;
    throw error;
  }
}
