import type { Logger } from 'pino';
import type Stripe from 'stripe';
import { badInput } from '../../../common/errors.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import { isRejected } from '../stripe/stripeErrors.js';
import { WITH_SCHEDULE } from '../sync/subscriptionSync.js';
import { overageSwap } from './overageItems.js';
import { successorOf, unchangedPhase } from './schedulePhases.js';
import { keyed, updateSubscription } from './subscriptionUpdate.js';

/**
 * What is asked of Stripe to change a subscription. Each call
 * has an idempotency key (`subscriptionUpdate.ts`).
 */
export interface SubscriptionChanges {
  /**
   * What has to be done before a change at once: usage that is not billed yet is reported, as far as that is possible,
   * and a schedule is released.
   * @throws BAD_USER_INPUT for a schedule that is not ours to release
   */
  makeWay(subscription: BillingSubscriptionDoc): Promise<void>;
  /** What was used and not yet billed is reported first, and is on a last invoice. */
  cancelNow(subscription: BillingSubscriptionDoc): Promise<Stripe.Subscription>;
  cancelAtPeriodEnd(subscription: BillingSubscriptionDoc): Promise<Stripe.Subscription>;
  /** Takes back what is scheduled, be it an end or another tier. */
  keep(subscription: BillingSubscriptionDoc): Promise<Stripe.Subscription>;
  /** Takes up one that was paused, with a new period. */
  unpause(subscription: BillingSubscriptionDoc): Promise<Stripe.Subscription>;
  /** Changes what is bought now. The rest of the period is charged or credited at once; unpaid, nothing changes. */
  switchNow(subscription: BillingSubscriptionDoc, terms: SwitchTerms): Promise<Stripe.Subscription>;
  /** The same at the end of the period, by a schedule. */
  switchAtPeriodEnd(subscription: BillingSubscriptionDoc, terms: SwitchTerms): Promise<Stripe.Subscription>;
}

export interface SwitchTerms {
  priceId: string;
  /** null: the tier sells no overage. */
  overagePriceId: string | null;
  metadata: Record<string, string>;
}

export function createSubscriptionChanges(deps: {
  stripe: Stripe;
  /** Reports what the tenant has used past its quota up to now. */
  reportUsage: (tenantId: string) => Promise<void>;
  log: Logger;
}): SubscriptionChanges {
  const { stripe, reportUsage, log } = deps;
  const update = updateSubscription.bind(null, stripe);

  /**
   * Stripe rejects other changes as long as a schedule holds the subscription.
   * @throws BAD_USER_INPUT for a schedule that somebody else made and that has more to come: it would be lost
   */
  async function release(subscription: BillingSubscriptionDoc): Promise<void> {
    const { scheduleId } = subscription;
    if (!scheduleId) return;
    const schedule = await stripe.subscriptionSchedules.retrieve(scheduleId);
    if (!isRunning(schedule)) return;
    if (!mayBeReleased(schedule)) {
      throw badInput(
        'subscription',
        `follows the schedule ${scheduleId}, which the operator made at Stripe; ask the operator to change it. ` +
          'To end the subscription at once is possible: cancelSubscription with atPeriodEnd: false',
      );
    }
    try {
      await stripe.subscriptionSchedules.release(
        scheduleId,
        undefined,
        keyed(`release:${scheduleId}`, subscription),
      );
    } catch (error) {
      // It was let go already: it came to its end, or another click was first.
      if (!isRejected(error)) throw error;
    }
  }

  /** Stripe bills what an item has counted when the item goes, and nothing of it that comes later. */
  async function makeWay(subscription: BillingSubscriptionDoc): Promise<void> {
    await release(subscription);
    if (!subscription.overageItems) return;
    await reportUsage(subscription._id).catch((error: unknown) => {
      // What is paid for is never kept back: at worst the usage of this hour is not billed.
      log.warn({ err: error, tenantId: subscription._id }, 'usage.unreported_before_change');
    });
  }

  return {
    makeWay,

    async cancelNow({ _id, stripeSubscriptionId: id, overageItems }) {
      if (overageItems) await reportUsage(_id);
      return stripe.subscriptions.cancel(id, overageItems ? { invoice_now: true } : undefined);
    },

    async cancelAtPeriodEnd(subscription) {
      await release(subscription);
      return update('cancel', subscription, { cancel_at_period_end: true });
    },

    async keep(subscription) {
      await release(subscription);
      const { stripeSubscriptionId: id } = subscription;
      if (!isEnding(subscription)) return stripe.subscriptions.retrieve(id, { expand: WITH_SCHEDULE });
      return update('resume', subscription, withoutEnd(subscription));
    },

    unpause: (subscription) =>
      stripe.subscriptions.resume(
        subscription.stripeSubscriptionId,
        { expand: WITH_SCHEDULE },
        keyed('unpause', subscription),
      ),

    async switchNow(subscription, { priceId, overagePriceId, metadata }) {
      await makeWay(subscription);
      return update(`switch:${priceId}`, subscription, {
        items: [switchedItem(subscription, priceId), ...overageSwap(subscription, overagePriceId)],
        proration_behavior: 'always_invoice',
        payment_behavior: 'error_if_incomplete',
        metadata,
        ...withoutEnd(subscription),
      });
    },

    async switchAtPeriodEnd(subscription, { priceId, overagePriceId, metadata }) {
      await release(subscription);
      const { stripeSubscriptionId: id } = subscription;
      if (isEnding(subscription)) await update('resume', subscription, withoutEnd(subscription));
      const made = await stripe.subscriptionSchedules.create(
        { from_subscription: id },
        keyed(`schedule:${priceId}`, subscription),
      );
      const [now] = made.phases;
      if (!now) throw new Error(`The schedule ${made.id} has no phase`);
      const metered = subscription.overageItems ?? [];
      const schedule = await stripe.subscriptionSchedules.update(
        made.id,
        {
          end_behavior: 'release',
          proration_behavior: 'none',
          metadata: OURS,
          phases: [
            unchangedPhase(now),
            {
              ...successorOf(now, {
                priceId: subscription.priceId,
                newPriceId: priceId,
                overagePriceIds: metered.map((item) => item.priceId),
                newOveragePriceId: overagePriceId,
              }),
              duration: { interval: 'month', interval_count: 1 },
              // At the period's end there is nothing to prorate; a metered item that goes is billed by it.
              proration_behavior: metered.length > 0 ? 'create_prorations' : 'none',
              metadata,
            },
          ],
          expand: ['subscription'],
        },
        keyed(`phases:${made.id}:${priceId}`, subscription),
      );
      return { ...(schedule.subscription as Stripe.Subscription), schedule };
    },
  };
}

export const isEnding = ({ cancelAtPeriodEnd, cancelAt }: BillingSubscriptionDoc): boolean =>
  cancelAtPeriodEnd || cancelAt !== null;

/** Whether it ends with the period that runs. */
export const endsWithPeriod = ({ cancelAtPeriodEnd, cancelAt, currentPeriodEnd }: BillingSubscriptionDoc) =>
  cancelAtPeriodEnd || (cancelAt !== null && currentPeriodEnd !== null && cancelAt <= currentPeriodEnd);

/** Under flexible billing the portal schedules an end by date alone; either is cleared. */
function withoutEnd(subscription: BillingSubscriptionDoc): Stripe.SubscriptionUpdateParams {
  if (!isEnding(subscription)) return {};
  return subscription.cancelAtPeriodEnd ? { cancel_at_period_end: false } : { cancel_at: '' };
}

/** Marks the schedules that are made here. */
const OURS = { made_by: 'continuum-billing' };

const isRunning = ({ status }: Stripe.SubscriptionSchedule): boolean =>
  status === 'active' || status === 'not_started';

/** One that was made here, or changes nothing any more. */
function mayBeReleased(schedule: Stripe.SubscriptionSchedule): boolean {
  const { metadata, phases, current_phase: current, end_behavior: end } = schedule;
  if (metadata?.made_by === OURS.made_by) return true;
  return (
    end === 'release' && !phases.some(({ start_date: at }) => current === null || at >= current.end_date)
  );
}

/** The item that gives the tier, at another price. What an update does not name of an item may be unset. */
export function switchedItem(
  { itemId, quantity }: BillingSubscriptionDoc,
  priceId: string,
): Stripe.SubscriptionUpdateParams.Item & { id: string } {
  return { id: itemId, price: priceId, quantity };
}
