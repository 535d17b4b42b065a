import type { Logger } from 'pino';
import type Stripe from 'stripe';
import { instantText } from '../../../common/clock.js';
import { badInput } from '../../../common/errors.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Author } from '../../audit/author.js';
import { callingStripe } from '../stripe/stripeErrors.js';
import type { CurrentSubscriptions } from './currentSubscriptions.js';
import { endOf } from './subscriptionChanges.js';
import { updateSubscription } from './subscriptionUpdate.js';

/** Trials that an operator gives more time. */
export interface Trials {
  /**
   * Moves the end of a tenant's trial. The same end again changes nothing.
   * @param until is rounded down to the second
   * @throws BAD_USER_INPUT if there is no trial or it follows a schedule, for an earlier end, one that the subscription does
   *   not reach, or one later than 730 days after the trial began
   */
  extend(tenantId: string, until: Date, author: Author): Promise<BillingSubscriptionDoc>;
}

/** As long as a trial at Stripe may be. */
const MAX_TRIAL_DAYS = 730;
const DAY_S = 86_400;

export function createTrials(deps: {
  stripe: Stripe;
  currentSubscriptions: CurrentSubscriptions;
  log: Logger;
}): Trials {
  const { stripe, currentSubscriptions, log } = deps;

  async function extendTo(subscription: BillingSubscriptionDoc, endS: number) {
    const { trial_start: startS } = await stripe.subscriptions.retrieve(subscription.stripeSubscriptionId);
    const latestS = (startS ?? 0) + MAX_TRIAL_DAYS * DAY_S;
    if (endS > latestS) {
      const latest = instantText(new Date(latestS * 1000));
      throw badInput(
        'input.until',
        `must not be later than ${latest}, ${MAX_TRIAL_DAYS} days after the trial began`,
      );
    }
    return updateSubscription(stripe, `extend_trial:${endS}`, subscription, {
      trial_end: endS,
      proration_behavior: 'none',
    });
  }

  return {
    extend(tenantId, until, author) {
      const endS = Math.floor(until.getTime() / 1000);
      return callingStripe(log, tenantId, () =>
        currentSubscriptions.change(
          tenantId,
          {
            isEnd: false,
            plan(subscription) {
              const { status, trialEnd } = subscription;
              if (status !== 'trialing' || !trialEnd)
                throw badInput('input.tenantId', `has no trial: its subscription is ${status}`);
              const presentS = trialEnd.getTime() / 1000;
              if (endS === presentS) return null;
              rejectFixed(subscription, until);
              if (endS < presentS)
                throw badInput('input.until', `must be later than the present end, ${instantText(trialEnd)}`);
              return () => extendTo(subscription, endS);
            },
          },
          author,
        ),
      );
    },
  };
}

/** @throws BAD_USER_INPUT where a schedule says when the trial ends, or the subscription ends before it would */
function rejectFixed(subscription: BillingSubscriptionDoc, until: Date): void {
  const { scheduleId, contract } = subscription;
  if (scheduleId)
    throw badInput(
      'input.tenantId',
      `follows the schedule ${scheduleId}; change the trial of its phases at Stripe`,
    );
  const endsAt = endOf(subscription);
  if (!endsAt || until < endsAt) return;
  const undo = contract ? '' : '; undo that first, with resumeSubscription';
  throw badInput('input.until', `must be before the subscription ends, on ${instantText(endsAt)}${undo}`);
}
