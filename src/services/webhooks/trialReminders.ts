import type { ClientSession } from 'mongoose';
import type { BillingSubscriptionDoc } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';

/** Which of Stripe's notices of a trial's end are passed on: one for each end. */
export interface TrialReminders {
  /**
   * Takes the reminder of an end. Of two transactions that take it at the same time, one is repeated and finds it taken.
   * @param notice an applied `trial_will_end` of Stripe's
   * @returns whether it is to be sent: the trial still has this end, and there was no reminder of it, nor of one that was at
   *   most three days earlier
   */
  take(notice: TrialNotice, session: ClientSession): Promise<boolean>;
}

export interface TrialNotice {
  tenantId: string;
  /** The subscription. */
  object?: unknown;
  /** ISO 8601; null: a thin event, which does not say. */
  trialEnd?: unknown;
  occurredAt?: unknown;
}

/** As long before the end as Stripe sends its notice. */
const NOTICE_MS = 3 * 86_400_000;

export function createTrialReminders({ models }: { models: Models }): TrialReminders {
  return {
    async take({ tenantId, object, trialEnd: noticed, occurredAt }, session) {
      const subscription = await models.billingSubscriptions
        .findById(tenantId, null, { session })
        .lean<BillingSubscriptionDoc>();
      if (!subscription?.trialEnd || subscription.stripeSubscriptionId !== object) return false;
      const { stripeSubscriptionId, trialEnd, trialReminder: last } = subscription;
      // The trial was given another end since, of which Stripe sends a notice of its own.
      if (typeof noticed === 'string' && noticed !== trialEnd.toISOString()) return false;
      // Stripe sends the notice also for a trial that is ended at once.
      if (typeof occurredAt === 'string' && Date.parse(occurredAt) >= trialEnd.getTime()) return false;
      const isSameTrial = last?.stripeSubscriptionId === stripeSubscriptionId;
      if (isSameTrial && trialEnd.getTime() <= last.trialEnd.getTime() + NOTICE_MS) return false;
      // Bypasses mongoose, whose hook would publish the subscription.
      await models.billingSubscriptions.collection.updateOne(
        { _id: tenantId as never },
        { $set: { trialReminder: { stripeSubscriptionId, trialEnd } } },
        { session },
      );
      return true;
    },
  };
}
