import Stripe from 'stripe';
import { BillingError, badInput } from '../../../common/errors.js';
import { type BillingSubscriptionDoc, ENDED } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import type { Author } from '../../audit/author.js';
import type { Tiers } from '../../tiers/tiers.js';
import { causeOfNotSending, noteState } from '../stripe/requestNotes.js';
import { isOutOfDate, isRejected } from '../stripe/stripeErrors.js';
import type { SubscriptionSync } from '../sync/subscriptionSync.js';

/** A request to Stripe; null: nothing to do. */
export type PlannedChange = (() => Promise<Stripe.Subscription>) | null;

/** A change that a caller wants. */
export interface WantedChange {
  /** Whether the change ends the subscription, so that one that has already ended is a success. */
  isEnd: boolean;
  /**
   * @param isRetry an earlier request for the change failed, but Stripe may have made the change. If the subscription
   *   is already as wanted, there is nothing to do
   */
  plan(subscription: BillingSubscriptionDoc, isRetry: boolean): PlannedChange;
}

/** The tenants' current subscriptions, without those that have ended. */
export interface CurrentSubscriptions {
  /**
   * Fetches the subscription from Stripe, because a webhook may not have arrived yet.
   * @param author of what has changed there, if it is known
   * @returns null: none, or ended
   */
  fetch(tenantId: string, author?: Author): Promise<BillingSubscriptionDoc | null>;
  /** Reads the stored subscription, without a request to Stripe. */
  stored(tenantId: string): Promise<BillingSubscriptionDoc | null>;
  /**
   * Changes a subscription. The plan is made from the stored subscription, so that it takes no extra request. If it
   * finds nothing to do or rejects the change, it is made again from Stripe's current state. If the request fails, the
   * current state is fetched and written: a rejected change is planned again, and one that Stripe has already made is a
   * success.
   * @returns what is stored afterwards
   * @throws BAD_USER_INPUT without a subscription
   */
  change(tenantId: string, wanted: WantedChange, author: Author): Promise<BillingSubscriptionDoc>;
  /**
   * Makes a request about a tenant's customer or subscription. If Stripe rejects it, the stored state may be out of
   * date: it is synced, and the request is made once more.
   * @param request may run twice, so it reads the stored state each time
   */
  retryAfterSync<T>(tenantId: string, request: () => Promise<T>): Promise<T>;
}

export function createCurrentSubscriptions(deps: {
  models: Models;
  sync: SubscriptionSync;
  tiers: Pick<Tiers, 'publicNameOf'>;
}): CurrentSubscriptions {
  const { models, sync, tiers } = deps;

  async function stored(tenantId: string): Promise<BillingSubscriptionDoc | null> {
    const doc = await models.billingSubscriptions.findById(tenantId).lean<BillingSubscriptionDoc>();
    return doc && !ENDED.includes(doc.status) ? doc : null;
  }

  async function fetch(tenantId: string, author?: Author): Promise<BillingSubscriptionDoc | null> {
    await sync.syncTenant(tenantId, author);
    return stored(tenantId);
  }

  /** The subscription as it is now, even if it has ended; if another has replaced it, that one. */
  async function latestOf({ _id, stripeSubscriptionId }: BillingSubscriptionDoc, author?: Author) {
    const current = await fetch(_id, author);
    return (
      current ??
      models.billingSubscriptions.findOne({ _id, stripeSubscriptionId }).lean<BillingSubscriptionDoc>()
    );
  }

  /** @throws BAD_USER_INPUT for a subscription that has ended, unless the change is to end it */
  function planned(
    subscription: BillingSubscriptionDoc,
    { isEnd, plan }: WantedChange,
    isRetry: boolean,
  ): PlannedChange {
    if (!ENDED.includes(subscription.status)) return plan(subscription, isRetry);
    if (isEnd) return null;
    throw badInput(
      'subscription',
      `has ended at the payment provider (${subscription.status}); start another one with createCheckoutSession`,
    );
  }

  /** After a failed request, Stripe's current state shows what is left to do. */
  async function afterFailure(
    known: BillingSubscriptionDoc,
    wanted: WantedChange,
    author: Author,
    error: unknown,
  ): Promise<BillingSubscriptionDoc> {
    if (!(error instanceof Stripe.errors.StripeError) || causeOfNotSending(error)) throw error;
    // Stripe may have made the caller's change.
    const current = await latestOf(known, author).catch(() => null);
    if (!current) throw error;
    if (isRejected(error)) {
      const change = planned(current, wanted, true);
      return change ? changeAgain(current, change, author) : current;
    }
    if (leftToDo(current, wanted)) throw error;
    return current;
  }

  /** The stored state is fresh now, so if Stripe rejects the change again, the error says what that state is. */
  async function changeAgain(
    current: BillingSubscriptionDoc,
    change: NonNullable<PlannedChange>,
    author: Author,
  ) {
    try {
      return await sync.change(current, change, author);
    } catch (error) {
      if (isRejected(error)) noteState(error, stateText(current, tiers.publicNameOf));
      throw error;
    }
  }

  function leftToDo(current: BillingSubscriptionDoc, wanted: WantedChange): boolean {
    try {
      return planned(current, wanted, true) !== null;
    } catch {
      return true;
    }
  }

  async function attempt(
    subscription: BillingSubscriptionDoc,
    change: NonNullable<PlannedChange>,
    wanted: WantedChange,
    author: Author,
  ): Promise<BillingSubscriptionDoc> {
    try {
      return await sync.change(subscription, change, author);
    } catch (error) {
      return afterFailure(subscription, wanted, author, error);
    }
  }

  return {
    stored,
    fetch,

    async retryAfterSync(tenantId, request) {
      try {
        return await request();
      } catch (error) {
        if (!isOutOfDate(error)) throw error;
        await sync.syncTenant(tenantId);
        return request();
      }
    },

    async change(tenantId, wanted, author) {
      const known = await stored(tenantId);
      const first = known && plannedFromStored(known, wanted);
      if (known && first) return attempt(known, first, wanted, author);
      const subscription = known ? await latestOf(known) : await fetch(tenantId);
      if (!subscription) {
        throw badInput('subscription', 'there is no paid subscription; start one with createCheckoutSession');
      }
      const change = planned(subscription, wanted, false);
      return change ? attempt(subscription, change, wanted, author) : subscription;
    },
  };
}

/** @returns null also if the plan rejects the change, because the stored state may be out of date */
function plannedFromStored(known: BillingSubscriptionDoc, { plan }: WantedChange): PlannedChange {
  try {
    return plan(known, false);
  } catch (error) {
    if (error instanceof BillingError) return null;
    throw error;
  }
}

function stateText(
  { tier, status, scheduledTier, cancelAtPeriodEnd, cancelAt }: BillingSubscriptionDoc,
  nameOf: Tiers['publicNameOf'],
): string {
  const ends = cancelAtPeriodEnd ? ', ends with its period' : '';
  const endsAt = cancelAt && !cancelAtPeriodEnd ? `, ends on ${cancelAt.toISOString()}` : '';
  return `the subscription to ${nameOf(tier)} is ${status}${ends || endsAt}${scheduledTier ? `, and will change to ${nameOf(scheduledTier)}` : ''}`;
}
