import type { Logger } from 'pino';
import type Stripe from 'stripe';
import { monthsIn } from '../../../catalogue/prices.js';
import type { Clock } from '../../../common/clock.js';
import { badInput } from '../../../common/errors.js';
import { type BillingSubscriptionDoc, billedPeriodOf } from '../../../models/billingSubscription.js';
import type { Author } from '../../audit/author.js';
import type { Tiers } from '../../tiers/tiers.js';
import { callingStripe } from '../stripe/stripeErrors.js';
import { taxOf, withAddedTax } from '../stripe/stripeObjects.js';
import { tierMetadata } from '../sync/subscriptionMetadata.js';
import type { CurrentSubscriptions, PlannedChange } from './currentSubscriptions.js';
import type { InvoicePreviews } from './invoicePreviews.js';
import { overageSwap } from './overageItems.js';
import type { SeatUse } from './seatUse.js';
import {
  cycleOf,
  isSameCycle,
  presentTermsOf,
  rejectContract,
  rejectPaused,
  type Sale,
  saleOf,
  type WantedPrice,
} from './selfService.js';
import {
  beginsCycle,
  endsWithPeriod,
  isEnding,
  type SubscriptionChanges,
  switchedItem,
} from './subscriptionChanges.js';

/** When a change of tier, price or seats takes effect, and what it costs. All amounts in cents. */
export interface TierChangePreview {
  tier: string;
  /** The seats afterwards; 1 for a tier that is not sold by the seat. */
  seats: number;
  immediately: boolean;
  effectiveAt: Date;
  currency: string;
  /** Charged at once, including overage that is not billed yet. */
  amountDueNowCents: number;
  /** The tax in it. */
  taxCents: number;
  /** The price of the new tier for the rest of the period, less the credit for the old one. Below 0: a credit. Without added tax. */
  prorationCents: number;
  /** The next regular invoice, as far as it is known; null: there is none. */
  nextInvoiceCents: number | null;
  nextInvoiceAt: Date | null;
}

/** Moves paying tenants from one tier to another. */
export interface TierChanges {
  /**
   * Changes to a larger tier at once, charging the rest of the period, and to a smaller one at the end of the period,
   * unless `immediately`. Within a tier, a longer interval and more seats are an upgrade. A change to the default tier ends the subscription. A change to the current tier cancels a
   * scheduled change; if there is none and the catalogue has a newer version of the tier, it switches to that at once.
   * @throws BAD_USER_INPUT without a subscription, for a tier that is not for sale, and while a payment is due or payments are paused
   */
  change(tenantId: string, wanted: WantedChangeOfTier, author: Author): Promise<BillingSubscriptionDoc>;
  /** Computes what `change` would do, without changing anything. */
  preview(tenantId: string, wanted: WantedChangeOfTier): Promise<TierChangePreview>;
}

/** What is left out stays as it is, if the tier is sold so. */
export interface WantedChangeOfTier extends Omit<WantedPrice, 'currency'> {
  immediately: boolean;
  /** Whether an upgrade waits for the end of the period, too. */
  atPeriodEnd?: boolean;
}

interface Wanted extends WantedChangeOfTier {
  /** What precedes the arguments' names in errors. */
  path: string;
}
type ChangeKind = 'STAY' | 'END_NOW' | 'END_LATER' | 'SWITCH_NOW' | 'SWITCH_LATER';

export function createTierChanges(deps: {
  tiers: Tiers;
  currentSubscriptions: CurrentSubscriptions;
  changes: SubscriptionChanges;
  previews: InvoicePreviews;
  seatUse: SeatUse;
  clock: Clock;
  log: Logger;
}): TierChanges {
  const { tiers, currentSubscriptions, changes, previews, seatUse, clock, log } = deps;

  /**
   * What a tier costs a month, by which tiers are compared: at its shortest interval, because a discount for a longer one
   * makes no tier smaller. Tiers priced by contract count as the largest.
   */
  function rateOf(tier: string, seats: number): number {
    const definition = tiers.get(tier);
    const [shortest] = tiers.pricesOf(definition).toSorted((a, b) => monthsIn(a) - monthsIn(b));
    if (!shortest) return definition.monthlyPriceCents ?? Number.POSITIVE_INFINITY;
    const amount = shortest.amounts[tiers.catalogue.currency] ?? 0;
    return (amount * (shortest.perSeat ? seats : 1)) / monthsIn(shortest);
  }

  /** Whether the catalogue has another version of its tier. A scheduled change is cancelled first. */
  const isOutdated = (subscription: BillingSubscriptionDoc): boolean =>
    subscription.tierVersion !== tiers.get(subscription.tier).version &&
    !isEnding(subscription) &&
    !subscription.scheduledTier;

  const saleFor = (subscription: BillingSubscriptionDoc, { path, ...wanted }: Wanted): Sale =>
    saleOf(tiers, wanted, presentTermsOf(tiers, subscription), path);

  /** Whether a change within the tier asks for nothing that the subscription has not. */
  function isAsWanted(subscription: BillingSubscriptionDoc, wanted: Wanted): boolean {
    if (wanted.tier !== subscription.tier || isOutdated(subscription)) return false;
    // A price outside the catalogue stays as it is, too.
    if (!wanted.interval && wanted.seats == null) return true;
    const { price, quantity } = saleFor(subscription, wanted);
    return isSameCycle(cycleOf(subscription), price) && quantity === subscription.quantity;
  }

  function isUpgrade(subscription: BillingSubscriptionDoc, { tier, price, quantity }: Sale): boolean {
    if (tier !== subscription.tier)
      return rateOf(tier, quantity) > rateOf(subscription.tier, subscription.quantity);
    const present = cycleOf(subscription);
    return present === null || monthsIn(price) >= monthsIn(present);
  }

  /** @throws BAD_USER_INPUT for a change that is not possible */
  function kindOf(subscription: BillingSubscriptionDoc, wanted: Wanted): ChangeKind {
    const { status } = subscription;
    const { tier, immediately, atPeriodEnd = false } = wanted;
    rejectContract(subscription);
    if (tier === tiers.defaultTier.name) return immediately ? 'END_NOW' : 'END_LATER';
    if (isAsWanted(subscription, wanted)) return 'STAY';
    rejectPaused(subscription);
    const sale = saleFor(subscription, wanted);
    if (status !== 'active' && status !== 'trialing') {
      throw badInput('subscription', `is ${status}; pay what is due first, with createPortalSession`);
    }
    // In a trial nothing has been paid for yet.
    const isAtOnce = immediately || status === 'trialing' || isUpgrade(subscription, sale);
    return isAtOnce && !atPeriodEnd ? 'SWITCH_NOW' : 'SWITCH_LATER';
  }

  function plan(subscription: BillingSubscriptionDoc, wanted: Wanted): PlannedChange {
    const { tier } = wanted;
    const terms = () => {
      const { priceId, quantity, price, overagePriceId } = saleFor(subscription, wanted);
      const metadata = { tenant_id: subscription._id, ...tierMetadata(tiers.get(tier)) };
      return { priceId, quantity, cycle: price, overagePriceId, metadata };
    };
    switch (kindOf(subscription, wanted)) {
      case 'STAY':
        return isEnding(subscription) || subscription.scheduledTier
          ? () => changes.undoScheduled(subscription)
          : null;
      case 'END_NOW':
        return () => changes.cancelNow(subscription);
      case 'END_LATER':
        return endsWithPeriod(subscription) ? null : () => changes.cancelAtPeriodEnd(subscription);
      case 'SWITCH_NOW':
        return () => changes.switchNow(subscription, terms());
      case 'SWITCH_LATER':
        return isScheduled(subscription, terms().priceId) && !isEnding(subscription)
          ? null
          : () => changes.switchAtPeriodEnd(subscription, terms());
    }
  }

  /** A smaller tier keeps what is stored; a tier that is sold by the seat has a seat for all of it. */
  async function checkUse(subscription: BillingSubscriptionDoc | null, wanted: Wanted): Promise<void> {
    const definition = tiers.get(wanted.tier);
    if (!subscription || definition.checkout !== 'SELF_SERVICE' || definition.limitsPerSeat.length === 0)
      return;
    if (isAsWanted(subscription, wanted)) return;
    const { quantity } = saleFor(subscription, wanted);
    await seatUse.check(subscription._id, definition, quantity, `${wanted.path}seats`);
  }

  /** Earlier versions did not store the price, and sold each tier at one. */
  const isScheduled = (
    { scheduledTier, scheduledPriceId }: BillingSubscriptionDoc,
    priceId: string,
  ): boolean =>
    scheduledPriceId
      ? scheduledPriceId === priceId
      : scheduledTier === tiers.getTierFromPriceId(priceId)?.name;

  const isOverage = (pricing: Stripe.InvoiceLineItem.Pricing | null): boolean =>
    tiers.isOveragePriceId(pricedAt(pricing) ?? '');

  async function previewOf(subscription: BillingSubscriptionDoc, wanted: Wanted): Promise<TierChangePreview> {
    const now = new Date(clock.now());
    const end = subscription.currentPeriodEnd ?? now;
    const nothing = {
      tier: wanted.tier,
      seats: 1,
      currency: subscription.itemPrice?.currency ?? tiers.catalogue.currency,
      amountDueNowCents: 0,
      taxCents: 0,
      prorationCents: 0,
      nextInvoiceCents: null,
      nextInvoiceAt: null,
    };
    switch (kindOf(subscription, wanted)) {
      case 'END_NOW':
        return { ...nothing, immediately: true, effectiveAt: now };
      case 'END_LATER':
        return { ...nothing, immediately: false, effectiveAt: subscription.cancelAt ?? end };
      case 'SWITCH_NOW':
        return { ...nothing, ...(await previewNow(subscription, saleFor(subscription, wanted), now)) };
      case 'SWITCH_LATER':
        return { ...nothing, ...(await previewLater(subscription, saleFor(subscription, wanted), end)) };
      case 'STAY': {
        const invoice = await previews.invoice(subscription, { proration_behavior: 'none' });
        return {
          ...nothing,
          seats: subscription.quantity,
          immediately: false,
          effectiveAt: now,
          currency: invoice.currency,
          nextInvoiceCents: invoice.amount_due,
          nextInvoiceAt: billedPeriodOf(subscription).end ?? end,
        };
      }
    }
  }

  async function previewNow(subscription: BillingSubscriptionDoc, sale: Sale, now: Date) {
    const { priceId, quantity, price, overagePriceId, unitAmount } = sale;
    const newCycle = beginsCycle(subscription, price);
    const items = [
      switchedItem(subscription, priceId, quantity),
      ...overageSwap(subscription, overagePriceId),
    ];
    const invoice = await previews.invoice(subscription, {
      items,
      proration_behavior: 'always_invoice',
      ...(newCycle && { billing_cycle_anchor: { type: 'now' } }),
    });
    return {
      seats: quantity,
      immediately: true,
      effectiveAt: now,
      currency: invoice.currency,
      amountDueNowCents: invoice.amount_due,
      taxCents: taxOf(invoice),
      prorationCents: invoice.lines.data.reduce(
        (sum, { amount, pricing }) => (isOverage(pricing) ? sum : sum + amount),
        0,
      ),
      nextInvoiceCents: await previews.renewalCents(subscription, items, unitAmount * quantity),
      nextInvoiceAt: newCycle ? endOf(invoice, priceId) : subscription.currentPeriodEnd,
    };
  }

  /** What is known of the overage that is billed at the end of a period: a year has invoices of its own for earlier months. */
  async function overageBilledAt(subscription: BillingSubscriptionDoc, end: Date): Promise<number> {
    if (!subscription.overageItems?.length) return 0;
    const { lines } = await previews.invoice(subscription, { proration_behavior: 'none' });
    return lines.data
      .filter(({ pricing, period }) => isOverage(pricing) && period.end * 1000 >= end.getTime())
      .reduce((sum, line) => sum + withAddedTax(line), 0);
  }

  async function previewLater(subscription: BillingSubscriptionDoc, sale: Sale, end: Date) {
    const { priceId, quantity, price, unitAmount, currency } = sale;
    const later = { seats: quantity, immediately: false, effectiveAt: end, nextInvoiceAt: end };
    // Stripe would preview another interval as if it began now.
    const items = [switchedItem(subscription, priceId, quantity)];
    if (beginsCycle(subscription, price)) {
      const renewalCents = await previews.renewalCents(subscription, items, unitAmount * quantity);
      const nextInvoiceCents = renewalCents + (await overageBilledAt(subscription, end));
      return { ...later, currency, nextInvoiceCents };
    }
    // It includes the period's overage at the price of the tier that ends.
    const invoice = await previews.invoice(subscription, { items, proration_behavior: 'none' });
    return { ...later, currency: invoice.currency, nextInvoiceCents: invoice.amount_due };
  }

  return {
    change(tenantId, change, author) {
      const wanted = { ...change, path: 'input.' };
      return callingStripe(log, tenantId, async () => {
        await checkUse(await currentSubscriptions.stored(tenantId), wanted);
        return currentSubscriptions.change(
          tenantId,
          {
            isEnd: change.tier === tiers.defaultTier.name,
            plan: (subscription) => plan(subscription, wanted),
          },
          author,
        );
      });
    },

    preview(tenantId, change) {
      return callingStripe(log, tenantId, () =>
        currentSubscriptions.retryAfterSync(tenantId, async () => {
          const subscription =
            (await currentSubscriptions.stored(tenantId)) ?? (await currentSubscriptions.fetch(tenantId));
          if (!subscription) {
            throw badInput('tier', 'there is no paid subscription; start one with createCheckoutSession');
          }
          const wanted = { ...change, path: '' };
          await checkUse(subscription, wanted);
          return previewOf(subscription, wanted);
        }),
      );
    },
  };
}

/** @returns the end of the period that an invoice bills at a price; null if it bills none */
function endOf({ lines }: Stripe.Invoice, priceId: string): Date | null {
  const ends = lines.data
    .filter(({ pricing }) => pricedAt(pricing) === priceId)
    .map(({ period }) => period.end);
  return ends.length > 0 ? new Date(Math.max(...ends) * 1000) : null;
}

function pricedAt(pricing: Stripe.InvoiceLineItem.Pricing | null): string | undefined {
  const price = pricing?.price_details?.price;
  return typeof price === 'string' ? price : price?.id;
}
