import type { Logger } from 'pino';
import type Stripe from 'stripe';
import { MAX_AMOUNT } from '../../../catalogue/prices.js';
import type { Clock } from '../../../common/clock.js';
import { badInput } from '../../../common/errors.js';
import { formatMoney } from '../../../common/money.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Author } from '../../audit/author.js';
import type { Tiers } from '../../tiers/tiers.js';
import { callingStripe } from '../stripe/stripeErrors.js';
import { taxOf } from '../stripe/stripeObjects.js';
import type { CurrentSubscriptions, PlannedChange } from './currentSubscriptions.js';
import type { InvoicePreviews } from './invoicePreviews.js';
import type { SeatUse } from './seatUse.js';
import { isSoldBySeat, MAX_SEATS, rejectContract, rejectPaused } from './selfService.js';
import { updateSubscription } from './subscriptionUpdate.js';
import type { TierChangePreview } from './tierChanges.js';

/** How many seats a tenant pays for. */
export interface SeatChanges {
  /**
   * Changes the seats at once. The rest of the period is charged, or credited for the next invoices. If the payment
   * fails, nothing changes.
   * @throws BAD_USER_INPUT without a subscription that is sold by the seat, while a payment is due, payments are paused
   *   or a change is scheduled, and for fewer seats than are in use
   */
  set(tenantId: string, seats: number, author: Author): Promise<BillingSubscriptionDoc>;
  /** Computes what `set` would do, without changing anything. */
  preview(tenantId: string, seats: number): Promise<TierChangePreview>;
}

export function createSeatChanges(deps: {
  stripe: Stripe;
  tiers: Tiers;
  currentSubscriptions: CurrentSubscriptions;
  previews: InvoicePreviews;
  seatUse: SeatUse;
  clock: Clock;
  log: Logger;
}): SeatChanges {
  const { stripe, tiers, currentSubscriptions, previews, seatUse, clock, log } = deps;

  /** @throws BAD_USER_INPUT for a change that is not possible */
  function check(subscription: BillingSubscriptionDoc, seats: number): void {
    const { tier, status, itemPrice, scheduledTier } = subscription;
    rejectContract(subscription);
    if (!isSoldBySeat(tiers, subscription))
      throw badInput('seats', `The ${tiers.publicNameOf(tier).toLowerCase()} tier is not sold by the seat`);
    if (!Number.isInteger(seats) || seats < 1 || seats > MAX_SEATS)
      throw badInput('seats', `must be a whole number from 1 to ${MAX_SEATS}`);
    if (itemPrice && itemPrice.unitCents * seats > MAX_AMOUNT)
      throw badInput('seats', `must cost at most ${formatMoney(MAX_AMOUNT, itemPrice.currency)} together`);
    rejectPaused(subscription);
    if (scheduledTier)
      throw badInput(
        'subscription',
        `will change to ${tiers.publicNameOf(scheduledTier)}; undo that first, with resumeSubscription`,
      );
    if (status !== 'active' && status !== 'trialing')
      throw badInput('subscription', `is ${status}; pay what is due first, with createPortalSession`);
  }

  function plan(subscription: BillingSubscriptionDoc, seats: number): PlannedChange {
    check(subscription, seats);
    if (subscription.quantity === seats) return null;
    return () =>
      updateSubscription(stripe, `seats:${seats}`, subscription, {
        items: [{ id: subscription.itemId, quantity: seats }],
        proration_behavior: 'always_invoice',
        payment_behavior: 'error_if_incomplete',
      });
  }

  async function checkUse(subscription: BillingSubscriptionDoc, seats: number): Promise<void> {
    const { _id, tier, tierVersion, quantity } = subscription;
    if (seats < quantity) await seatUse.check(_id, tiers.get(tier, tierVersion), seats, 'seats');
  }

  async function needSubscription(tenantId: string): Promise<BillingSubscriptionDoc> {
    const subscription =
      (await currentSubscriptions.stored(tenantId)) ?? (await currentSubscriptions.fetch(tenantId));
    if (subscription) return subscription;
    throw badInput('seats', 'there is no paid subscription; start one with createCheckoutSession');
  }

  return {
    set(tenantId, seats, author) {
      return callingStripe(log, tenantId, async () => {
        await checkUse(await needSubscription(tenantId), seats);
        return currentSubscriptions.change(
          tenantId,
          { isEnd: false, plan: (subscription) => plan(subscription, seats) },
          author,
        );
      });
    },

    preview(tenantId, seats) {
      return callingStripe(log, tenantId, () =>
        currentSubscriptions.retryAfterSync(tenantId, async () => {
          const subscription = await needSubscription(tenantId);
          check(subscription, seats);
          await checkUse(subscription, seats);
          const { tier, itemId, itemPrice, currentPeriodEnd } = subscription;
          const items = [{ id: itemId, quantity: seats }];
          const invoice = await previews.invoice(subscription, {
            items,
            proration_behavior: 'always_invoice',
          });
          const renewalCents = itemPrice ? Math.round(itemPrice.unitCents * seats) : null;
          return {
            tier,
            seats,
            immediately: true,
            effectiveAt: new Date(clock.now()),
            currency: invoice.currency,
            amountDueNowCents: invoice.amount_due,
            taxCents: taxOf(invoice),
            prorationCents: invoice.lines.data.reduce((sum, { amount }) => sum + amount, 0),
            nextInvoiceCents: await previews.renewalCents(subscription, items, renewalCents),
            nextInvoiceAt: currentPeriodEnd,
          };
        }),
      );
    },
  };
}
