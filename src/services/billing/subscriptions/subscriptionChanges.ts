import type { Logger } from 'pino';
import type Stripe from 'stripe';
import { type BillingCycle, monthsIn } from '../../../catalogue/prices.js';
import { badInput } from '../../../common/errors.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import { isRejected } from '../stripe/stripeErrors.js';
import { WITH_SCHEDULE } from '../sync/subscriptionSync.js';
import { overageSwap } from './overageItems.js';
import { successorOf, unchangedPhase } from './schedulePhases.js';
import { cycleOf, isSameCycle } from './selfService.js';
import { keyed, updateSubscription } from './subscriptionUpdate.js';

/**
 * The requests that change a subscription at Stripe. Each has an idempotency key (`subscriptionUpdate.ts`).
 */
export interface SubscriptionChanges {
  /**
   * Prepares an immediate change: unbilled usage is reported if possible, and a schedule is released.
   * @throws BAD_USER_INPUT for a schedule that the operator made at Stripe
   */
  prepare(subscription: BillingSubscriptionDoc): Promise<void>;
  /** Cancels at once. Unbilled usage is reported first and appears on a last invoice. */
  cancelNow(subscription: BillingSubscriptionDoc): Promise<Stripe.Subscription>;
  cancelAtPeriodEnd(subscription: BillingSubscriptionDoc): Promise<Stripe.Subscription>;
  /** Cancels a scheduled end or a scheduled change of tier. */
  undoScheduled(subscription: BillingSubscriptionDoc): Promise<Stripe.Subscription>;
  /**
   * Resumes a paused subscription with a new period.
   * @throws BAD_USER_INPUT without a payment method: the payment would fail, and begin a grace period
   */
  unpause(subscription: BillingSubscriptionDoc): Promise<Stripe.Subscription>;
  /**
   * Lets Stripe void all invoices until a moment. Overage of the running period is charged first, because the invoice that
   * would bill it is voided, too; if that payment fails, nothing changes.
   * @param overagePriceId what bills overage afterwards; null: nothing
   */
  pausePayments(
    subscription: BillingSubscriptionDoc,
    resumesAtS: number,
    overagePriceId: string | null,
  ): Promise<Stripe.Subscription>;
  resumePayments(subscription: BillingSubscriptionDoc): Promise<Stripe.Subscription>;
  /** Changes the tier now. The rest of the period is charged or credited at once; if that payment fails, nothing changes. */
  switchNow(subscription: BillingSubscriptionDoc, terms: SwitchTerms): Promise<Stripe.Subscription>;
  /** Changes the tier at the end of the period, with a schedule. */
  switchAtPeriodEnd(subscription: BillingSubscriptionDoc, terms: SwitchTerms): Promise<Stripe.Subscription>;
}

export interface SwitchTerms {
  priceId: string;
  quantity: number;
  /** How often the price is paid. */
  cycle: BillingCycle;
  /** null: the tier sells no overage. */
  overagePriceId: string | null;
  metadata: Record<string, string>;
}

/** A new interval begins a new period: the first is billed in full, less the credit for the old one. */
export const beginsCycle = (subscription: BillingSubscriptionDoc, cycle: BillingCycle): boolean => {
  const present = cycleOf(subscription);
  return present !== null && !isSameCycle(present, cycle) && subscription.status !== 'trialing';
};

export function createSubscriptionChanges(deps: {
  stripe: Stripe;
  /** Reports the tenant's usage past its quota up to now. */
  reportUsage: (tenantId: string) => Promise<void>;
  log: Logger;
}): SubscriptionChanges {
  const { stripe, reportUsage, log } = deps;
  const update = updateSubscription.bind(null, stripe);

  /**
   * Stripe rejects other changes while a schedule controls the subscription.
   * @throws BAD_USER_INPUT for a schedule that was not made here and has later phases, which would be lost
   */
  async function release(subscription: BillingSubscriptionDoc): Promise<void> {
    const { scheduleId } = subscription;
    if (!scheduleId) return;
    const schedule = await stripe.subscriptionSchedules.retrieve(scheduleId);
    if (!isRunning(schedule)) return;
    if (!mayBeReleased(schedule)) {
      throw badInput(
        'subscription',
        `follows the schedule ${scheduleId}, which the operator made at Stripe; ask the operator to change it, ` +
          'or end the subscription at once: cancelSubscription with atPeriodEnd: false',
      );
    }
    try {
      await stripe.subscriptionSchedules.release(
        scheduleId,
        undefined,
        keyed(`release:${scheduleId}`, subscription),
      );
    } catch (error) {
      // It was released already: it ended, or a concurrent request was first.
      if (!isRejected(error)) throw error;
    }
  }

  /** When an item is removed, Stripe bills what the item has counted, and nothing that is reported later. */
  async function prepare(subscription: BillingSubscriptionDoc): Promise<void> {
    await release(subscription);
    if (!subscription.overageItems) return;
    await reportUsage(subscription._id).catch((error: unknown) => {
      // A customer's change is never delayed by this: at worst the usage of this hour is not billed.
      log.warn({ err: error, tenantId: subscription._id }, 'usage_report.missed');
    });
  }

  async function requirePaymentMethod({ stripeSubscriptionId: id }: BillingSubscriptionDoc): Promise<void> {
    const found = await stripe.subscriptions.retrieve(id, { expand: ['customer'] });
    const customer = found.customer as Stripe.Customer;
    const method =
      found.default_payment_method ??
      found.default_source ??
      customer.invoice_settings.default_payment_method ??
      customer.default_source;
    if (method || found.collection_method === 'send_invoice') return;
    throw badInput(
      'subscription',
      'has no card to pay with; add one with createPortalSession, then resume it',
    );
  }

  return {
    prepare,

    async cancelNow({ _id, stripeSubscriptionId: id, overageItems }) {
      if (overageItems) await reportUsage(_id);
      return stripe.subscriptions.cancel(id, overageItems ? { invoice_now: true } : undefined);
    },

    async cancelAtPeriodEnd(subscription) {
      await release(subscription);
      return update(
        'cancel',
        subscription,
        // With a monthly meter beside it, a year ends with the longest period.
        isMixed(subscription) ? { cancel_at: 'max_period_end' } : { cancel_at_period_end: true },
      );
    },

    async undoScheduled(subscription) {
      await release(subscription);
      const { stripeSubscriptionId: id } = subscription;
      if (!isEnding(subscription)) return stripe.subscriptions.retrieve(id, { expand: WITH_SCHEDULE });
      return update('resume', subscription, withoutEnd(subscription));
    },

    async unpause(subscription) {
      await requirePaymentMethod(subscription);
      return stripe.subscriptions.resume(
        subscription.stripeSubscriptionId,
        { expand: WITH_SCHEDULE },
        keyed('unpause', subscription),
      );
    },

    async pausePayments(subscription, resumesAtS, overagePriceId) {
      const { overageItems, _id } = subscription;
      if (overageItems) {
        await reportUsage(_id);
        // An item that is removed bills what it has counted, and another one begins at zero.
        const removed = overageItems.map(({ id }) => ({ id, deleted: true }));
        await update('bill_overage', subscription, {
          items: overagePriceId ? [...removed, { price: overagePriceId }] : removed,
          proration_behavior: 'always_invoice',
          payment_behavior: 'error_if_incomplete',
        });
      }
      return update(`pause:${resumesAtS}`, subscription, {
        pause_collection: { behavior: 'void', resumes_at: resumesAtS },
      });
    },

    resumePayments: (subscription) => update('resume_payments', subscription, { pause_collection: '' }),

    async switchNow(subscription, { priceId, quantity, cycle, overagePriceId, metadata }) {
      await prepare(subscription);
      return update(`switch:${priceId}:${quantity}`, subscription, {
        items: [switchedItem(subscription, priceId, quantity), ...overageSwap(subscription, overagePriceId)],
        ...(beginsCycle(subscription, cycle) && { billing_cycle_anchor: { type: 'now' } }),
        proration_behavior: 'always_invoice',
        payment_behavior: 'error_if_incomplete',
        metadata,
        ...withoutEnd(subscription),
      });
    },

    async switchAtPeriodEnd(subscription, { priceId, quantity, cycle, overagePriceId, metadata }) {
      await release(subscription);
      const { stripeSubscriptionId: id } = subscription;
      if (isEnding(subscription)) await update('resume', subscription, withoutEnd(subscription));
      const created = await stripe.subscriptionSchedules.create(
        { from_subscription: id },
        keyed(`schedule:${priceId}:${quantity}`, subscription),
      );
      const [now] = created.phases;
      if (!now) throw new Error(`The schedule ${created.id} has no phase`);
      const metered = subscription.overageItems ?? [];
      const schedule = await stripe.subscriptionSchedules.update(
        created.id,
        {
          end_behavior: 'release',
          proration_behavior: 'none',
          metadata: MADE_HERE,
          phases: [
            { ...unchangedPhase(now), end_date: endOfPeriod(subscription, now) },
            {
              ...successorOf(now, {
                priceId: subscription.priceId,
                newPriceId: priceId,
                newQuantity: quantity,
                overagePriceIds: metered.map((item) => item.priceId),
                newOveragePriceId: overagePriceId,
              }),
              duration: { interval: cycle.interval, interval_count: cycle.intervalCount },
              // A longer period does not begin where the shorter ones did.
              ...(isLonger(subscription, cycle) && { billing_cycle_anchor: 'phase_start' as const }),
              // At the period's end nothing is prorated, but a metered item that is removed must be billed.
              proration_behavior: metered.length > 0 ? 'create_prorations' : 'none',
              metadata,
            },
          ],
          expand: ['subscription'],
        },
        keyed(`phases:${created.id}:${priceId}:${quantity}`, subscription),
      );
      return { ...(schedule.subscription as Stripe.Subscription), schedule };
    },
  };
}

export const isEnding = ({ cancelAtPeriodEnd, cancelAt }: BillingSubscriptionDoc): boolean =>
  cancelAtPeriodEnd || cancelAt !== null;

/** When it is to end; null: it goes on. */
export const endOf = ({
  cancelAtPeriodEnd,
  cancelAt,
  currentPeriodEnd,
}: BillingSubscriptionDoc): Date | null => cancelAt ?? (cancelAtPeriodEnd ? currentPeriodEnd : null);

/** Whether it ends with the current period. */
export const endsWithPeriod = ({ cancelAtPeriodEnd, cancelAt, currentPeriodEnd }: BillingSubscriptionDoc) =>
  cancelAtPeriodEnd || (cancelAt !== null && currentPeriodEnd !== null && cancelAt <= currentPeriodEnd);

/** Under flexible billing the portal schedules an end only by date, so either kind is cleared. */
function withoutEnd(subscription: BillingSubscriptionDoc): Stripe.SubscriptionUpdateParams {
  if (!isEnding(subscription)) return {};
  return subscription.cancelAtPeriodEnd ? { cancel_at_period_end: false } : { cancel_at: '' };
}

/** Metadata of the schedules that are made here. */
const MADE_HERE = { made_by: 'continuum-billing' };

const isRunning = ({ status }: Stripe.SubscriptionSchedule): boolean =>
  status === 'active' || status === 'not_started';

/** A schedule that was made here, or that has no later phase. */
function mayBeReleased(schedule: Stripe.SubscriptionSchedule): boolean {
  const { metadata, phases, current_phase: current, end_behavior: end } = schedule;
  if (metadata?.made_by === MADE_HERE.made_by) return true;
  return (
    end === 'release' && !phases.some(({ start_date: at }) => current === null || at >= current.end_date)
  );
}

/** Whether calls past the quota are billed at other times than the tier's price. */
const isMixed = ({ overageItems }: BillingSubscriptionDoc): boolean =>
  overageItems?.some(({ periodEnd }) => periodEnd !== undefined) ?? false;

const isLonger = (subscription: BillingSubscriptionDoc, cycle: BillingCycle): boolean => {
  const present = cycleOf(subscription);
  return present !== null && monthsIn(cycle) > monthsIn(present);
};

/** The end of the tier's period, in seconds: a schedule may end its phase with the monthly meter's. */
const endOfPeriod = (
  { currentPeriodEnd }: BillingSubscriptionDoc,
  { end_date: end }: Stripe.SubscriptionSchedule.Phase,
): number => Math.max(end, Math.floor((currentPeriodEnd?.getTime() ?? 0) / 1000));

/** The item with the tier's price, at another price. The quantity is repeated because Stripe might unset it. */
export function switchedItem(
  { itemId }: BillingSubscriptionDoc,
  priceId: string,
  quantity: number,
): Stripe.SubscriptionUpdateParams.Item & { id: string } {
  return { id: itemId, price: priceId, quantity };
}
