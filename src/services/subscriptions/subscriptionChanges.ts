import type Stripe from 'stripe';
import { badInput } from '../../errors.js';
import type { BillingSubscriptionDoc } from '../../models/billingSubscription.js';
import { digest } from '../stripe/customers.js';
import { isRefused } from '../stripe/stripeErrors.js';
import { WITH_SCHEDULE } from '../stripe/subscriptionSync.js';
import { overageSwap } from './overageItems.js';

/**
 * What is asked of Stripe to change a subscription. Each call has a key made of what it does and of the revision that
 * it starts from: two clicks are one change, the same change later is another.
 */
export interface SubscriptionChanges {
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
  /** Changes what else it bills, without a charge. */
  setItems(
    subscription: BillingSubscriptionDoc,
    items: Stripe.SubscriptionUpdateParams.Item[],
  ): Promise<Stripe.Subscription>;
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
}): SubscriptionChanges {
  const { stripe, reportUsage } = deps;

  const keyed = (action: string, { stripeSubscriptionId: id, revision }: BillingSubscriptionDoc) => ({
    idempotencyKey: `${action}:${id}:${revision}`,
  });

  const update = (
    action: string,
    subscription: BillingSubscriptionDoc,
    params: Stripe.SubscriptionUpdateParams,
  ) =>
    stripe.subscriptions.update(
      subscription.stripeSubscriptionId,
      { ...params, expand: WITH_SCHEDULE },
      keyed(action, subscription),
    );

  /** Stripe refuses other changes as long as a schedule holds the subscription. */
  async function release({ scheduleId }: BillingSubscriptionDoc): Promise<void> {
    if (!scheduleId) return;
    try {
      const options = { idempotencyKey: `release:${scheduleId}` };
      await stripe.subscriptionSchedules.release(scheduleId, undefined, options);
    } catch (error) {
      // It was let go already: it came to its end, or another click was first.
      if (!isRefused(error)) throw error;
    }
  }

  return {
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
      await release(subscription);
      return update(`switch:${priceId}`, subscription, {
        items: [{ id: itemOf(subscription), price: priceId }, ...overageSwap(subscription, overagePriceId)],
        proration_behavior: 'always_invoice',
        payment_behavior: 'error_if_incomplete',
        metadata,
        ...withoutEnd(subscription),
      });
    },

    setItems: (subscription, items) =>
      update(`items:${digest(items)}`, subscription, { items, proration_behavior: 'create_prorations' }),

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
      // A phase that names no discounts would lose them.
      const kept = now.discounts.flatMap(({ discount }) => (discount ? [{ discount: idOf(discount) }] : []));
      const discounts = kept.length > 0 ? { discounts: kept } : {};
      const metered = subscription.overageItems ?? [];
      const schedule = await stripe.subscriptionSchedules.update(
        made.id,
        {
          end_behavior: 'release',
          proration_behavior: 'none',
          phases: [
            {
              items: [
                { price: subscription.priceId, quantity: 1 },
                ...metered.map((item) => ({ price: item.priceId })),
              ],
              start_date: now.start_date,
              end_date: now.end_date,
              ...discounts,
            },
            {
              items: [
                { price: priceId, quantity: 1 },
                ...(overagePriceId ? [{ price: overagePriceId }] : []),
              ],
              duration: { interval: 'month', interval_count: 1 },
              // At the period's end there is nothing to prorate; a metered part that goes is billed by it.
              proration_behavior: metered.length > 0 ? 'create_prorations' : 'none',
              metadata,
              ...discounts,
            },
          ],
          expand: ['subscription'],
        },
        { idempotencyKey: `phases:${made.id}:${priceId}` },
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

const idOf = (reference: string | { id: string }): string =>
  typeof reference === 'string' ? reference : reference.id;

function itemOf({ itemId }: BillingSubscriptionDoc): string {
  if (!itemId) throw badInput('subscription', 'has no item; try again');
  return itemId;
}
