import type { Logger } from 'pino';
import { instantText } from '../../../common/clock.js';
import { badInput } from '../../../common/errors.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Author } from '../../audit/author.js';
import type { Tiers } from '../../tiers/tiers.js';
import { callingStripe } from '../stripe/stripeErrors.js';
import type { CurrentSubscriptions, PlannedChange } from './currentSubscriptions.js';
import { untilText } from './selfService.js';
import { endOf, type SubscriptionChanges } from './subscriptionChanges.js';

/** Payments that are paused: a subscription keeps its tier, and nothing is collected for a while. */
export interface Pauses {
  /**
   * Pauses payments until a moment. The same moment again changes nothing.
   * @param resumesAt is rounded down to the second
   * @throws BAD_USER_INPUT for a moment that is not to come, or later than 730 days from now; for a subscription that is not
   *   active, is paused already, follows a schedule, or ends before
   */
  pause(tenantId: string, resumesAt: Date, author: Author): Promise<BillingSubscriptionDoc>;
  /** Collects payments again, from the next invoice on. Without a pause it changes nothing. */
  resume(tenantId: string, author: Author): Promise<BillingSubscriptionDoc>;
}

/** As long as a trial at Stripe may be. */
const MAX_PAUSE_DAYS = 730;
const DAY_MS = 86_400_000;

export function createPauses(deps: {
  tiers: Tiers;
  currentSubscriptions: CurrentSubscriptions;
  changes: SubscriptionChanges;
  /** Stripe's time; the mock's may be ahead of ours. */
  stripeNow: () => Promise<Date>;
  log: Logger;
}): Pauses {
  const { tiers, currentSubscriptions, changes, stripeNow, log } = deps;

  async function checkDate(resumesAt: Date): Promise<void> {
    const now = await stripeNow();
    if (resumesAt <= now) throw badInput('input.resumesAt', 'must be in the future');
    const latest = new Date(now.getTime() + MAX_PAUSE_DAYS * DAY_MS);
    if (resumesAt > latest)
      throw badInput('input.resumesAt', `must be at most ${MAX_PAUSE_DAYS} days from now`);
  }

  /** @throws BAD_USER_INPUT for a subscription whose payments cannot be paused */
  function check(subscription: BillingSubscriptionDoc, resumesAt: Date): void {
    const { status, pause, trialEnd, scheduleId, scheduledTier } = subscription;
    if (pause)
      throw badInput(
        'subscription',
        `has paused payments already${untilText(pause)}; resume them first, with resumePayments`,
      );
    if (status === 'trialing' && trialEnd)
      throw badInput(
        'subscription',
        `is on trial until ${instantText(trialEnd)}, so nothing is paid yet; extendTrial gives it more time`,
      );
    if (status !== 'active')
      throw badInput('subscription', `is ${status}; only the payments of an active one can be paused`);
    if (scheduledTier)
      throw badInput(
        'subscription',
        `will change to ${tiers.publicNameOf(scheduledTier)}; undo that first, with resumeSubscription`,
      );
    if (scheduleId)
      throw badInput('subscription', `follows the schedule ${scheduleId}; pause its phases at Stripe`);
    const endsAt = endOf(subscription);
    if (endsAt && endsAt <= resumesAt)
      throw badInput('input.resumesAt', `must be before the subscription ends, on ${instantText(endsAt)}`);
  }

  function plan(subscription: BillingSubscriptionDoc, resumesAt: Date): PlannedChange {
    const { pause, tier, itemPrice } = subscription;
    if (pause?.invoices === 'void' && pause.resumesAt?.getTime() === resumesAt.getTime()) return null;
    check(subscription, resumesAt);
    const overagePriceId = tiers.getOverage(tier, itemPrice?.currency) && tiers.getOveragePriceId(tier);
    return () => changes.pausePayments(subscription, resumesAt.getTime() / 1000, overagePriceId);
  }

  return {
    pause(tenantId, wanted, author) {
      const resumesAt = new Date(Math.floor(wanted.getTime() / 1000) * 1000);
      return callingStripe(log, tenantId, async () => {
        await checkDate(resumesAt);
        return currentSubscriptions.change(
          tenantId,
          { isEnd: false, plan: (subscription) => plan(subscription, resumesAt) },
          author,
        );
      });
    },

    resume(tenantId, author) {
      return callingStripe(log, tenantId, () =>
        currentSubscriptions.change(
          tenantId,
          {
            isEnd: false,
            plan: (subscription) => (subscription.pause ? () => changes.resumePayments(subscription) : null),
          },
          author,
        ),
      );
    },
  };
}
