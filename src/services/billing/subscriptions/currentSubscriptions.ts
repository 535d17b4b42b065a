import Stripe from 'stripe';
import { BillingError, badInput } from '../../../common/errors.js';
import { type BillingSubscriptionDoc, ENDED } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import { causeOfNotSending, noteState } from '../stripe/requestNotes.js';
import { isOutOfDate, isRejected } from '../stripe/stripeErrors.js';
import type { SubscriptionSync } from '../sync/subscriptionSync.js';

/** What is asked of Stripe; null: nothing is left to do. */
export type PlannedChange = (() => Promise<Stripe.Subscription>) | null;

/** What is wanted of a subscription. */
export interface WantedChange {
  /** Whether its end is what is wanted, so that one that has ended is a success. */
  isEnd: boolean;
  /**
   * @param isBehind a change that was planned before failed at Stripe, which may have made it already: what is as
   *   wanted needs nothing more
   */
  plan(subscription: BillingSubscriptionDoc, isBehind: boolean): PlannedChange;
}

/** The subscriptions that tenants have now. */
export interface CurrentSubscriptions {
  /** As Stripe has it now: a webhook may still be on its way. @returns null where there is none, or it has ended */
  fetch(tenantId: string): Promise<BillingSubscriptionDoc | null>;
  /** As it was written last, without a call to Stripe. */
  stored(tenantId: string): Promise<BillingSubscriptionDoc | null>;
  /**
   * Changes a subscription. The plan is made from what is stored, and costs no call before its own; where it finds
   * nothing to do, or rejects the change, it is made again from what Stripe has. Where Stripe fails, its state is
   * fetched and written: what it rejected is planned again from that, and what it has done already is a success.
   * @returns what is stored then
   * @throws BAD_USER_INPUT without a subscription
   */
  change(tenantId: string, wanted: WantedChange): Promise<BillingSubscriptionDoc>;
  /**
   * Asks Stripe about what a tenant has there. What it rejects is asked once more, when Stripe's state is fetched and
   * written: the customer, or the subscription, may be gone.
   * @param ask may run twice, so it reads what is stored each time
   */
  retryAfterSync<T>(tenantId: string, ask: () => Promise<T>): Promise<T>;
}

export function createCurrentSubscriptions(deps: {
  models: Models;
  sync: SubscriptionSync;
}): CurrentSubscriptions {
  const { models, sync } = deps;

  async function stored(tenantId: string): Promise<BillingSubscriptionDoc | null> {
    const doc = await models.billingSubscriptions.findById(tenantId).lean<BillingSubscriptionDoc>();
    return doc && !ENDED.includes(doc.status) ? doc : null;
  }

  async function fetch(tenantId: string): Promise<BillingSubscriptionDoc | null> {
    await sync.syncTenant(tenantId);
    return stored(tenantId);
  }

  /** What came of a subscription: its end too, unless another one has taken its place. */
  async function outcomeOf({ _id, stripeSubscriptionId }: BillingSubscriptionDoc) {
    const present = await fetch(_id);
    return (
      present ??
      models.billingSubscriptions.findOne({ _id, stripeSubscriptionId }).lean<BillingSubscriptionDoc>()
    );
  }

  /** @throws BAD_USER_INPUT for one that has ended, unless that is what is wanted */
  function planned(
    subscription: BillingSubscriptionDoc,
    { isEnd, plan }: WantedChange,
    isBehind: boolean,
  ): PlannedChange {
    if (!ENDED.includes(subscription.status)) return plan(subscription, isBehind);
    if (isEnd) return null;
    throw badInput(
      'subscription',
      `has ended at the payment provider (${subscription.status}); begin another with createCheckoutSession`,
    );
  }

  /** Stripe failed: its state is fetched, and tells what is left to do. */
  async function afterFailure(
    known: BillingSubscriptionDoc,
    wanted: WantedChange,
    error: unknown,
  ): Promise<BillingSubscriptionDoc> {
    if (!(error instanceof Stripe.errors.StripeError) || causeOfNotSending(error)) throw error;
    const present = await outcomeOf(known).catch(() => null);
    if (!present) throw error;
    if (isRejected(error)) {
      const change = planned(present, wanted, true);
      return change ? changeAgain(present, change) : present;
    }
    if (leftToDo(present, wanted)) throw error;
    return present;
  }

  /** What Stripe rejects now is not for what is stored here, so the error says what Stripe has. */
  async function changeAgain(present: BillingSubscriptionDoc, change: NonNullable<PlannedChange>) {
    try {
      return await sync.change(present, change);
    } catch (error) {
      if (isRejected(error)) noteState(error, stateText(present));
      throw error;
    }
  }

  function leftToDo(present: BillingSubscriptionDoc, wanted: WantedChange): boolean {
    try {
      return planned(present, wanted, true) !== null;
    } catch {
      return true;
    }
  }

  async function attempt(
    subscription: BillingSubscriptionDoc,
    change: NonNullable<PlannedChange>,
    wanted: WantedChange,
  ): Promise<BillingSubscriptionDoc> {
    try {
      return await sync.change(subscription, change);
    } catch (error) {
      return afterFailure(subscription, wanted, error);
    }
  }

  return {
    stored,
    fetch,

    async retryAfterSync(tenantId, ask) {
      try {
        return await ask();
      } catch (error) {
        if (!isOutOfDate(error)) throw error;
        await sync.syncTenant(tenantId);
        return ask();
      }
    },

    async change(tenantId, wanted) {
      const known = await stored(tenantId);
      const first = known && withoutDoubt(known, wanted);
      if (known && first) return attempt(known, first, wanted);
      const subscription = known ? await outcomeOf(known) : await fetch(tenantId);
      if (!subscription) {
        throw badInput('subscription', 'there is no paid subscription; begin one with createCheckoutSession');
      }
      const change = planned(subscription, wanted, false);
      return change ? attempt(subscription, change, wanted) : subscription;
    },
  };
}

/** @returns null also where the plan rejects the change: what is stored may be behind */
function withoutDoubt(known: BillingSubscriptionDoc, { plan }: WantedChange): PlannedChange {
  try {
    return plan(known, false);
  } catch (error) {
    if (error instanceof BillingError) return null;
    throw error;
  }
}

function stateText({
  tier,
  status,
  scheduledTier,
  cancelAtPeriodEnd,
  cancelAt,
}: BillingSubscriptionDoc): string {
  const ends = cancelAtPeriodEnd ? ', ends with its period' : '';
  const endsAt = cancelAt && !cancelAtPeriodEnd ? `, ends on ${cancelAt.toISOString()}` : '';
  return `the subscription to ${tier} is ${status}${ends || endsAt}${scheduledTier ? `, and changes to ${scheduledTier}` : ''}`;
}
