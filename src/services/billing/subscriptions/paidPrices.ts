import { type BillingCycle, priceKey } from '../../../catalogue/prices.js';
import { type BillingSubscriptionDoc, ENDED } from '../../../models/billingSubscription.js';
import type { Tiers } from '../../tiers/tiers.js';
import { cycleOf } from './selfService.js';

/** A price in the currency in which it is paid. */
export interface PaidPrice extends BillingCycle {
  /** As in the list of the tier's prices; for a price outside the catalogue, Stripe's id. */
  id: string;
  currency: string;
  unitAmount: number;
  perSeat: boolean;
}

/** @returns what a subscription is paid at; null if that is unknown, or it has ended */
export function paidPriceOf(tiers: Tiers, subscription: BillingSubscriptionDoc | null): PaidPrice | null {
  const cycle = subscription && cycleOf(subscription);
  if (!subscription?.itemPrice || !cycle || ENDED.includes(subscription.status)) return null;
  const { priceId, tier, itemPrice } = subscription;
  const { currency, unitCents } = itemPrice;
  const sold = tiers.getPriceFromPriceId(priceId);
  const id = sold ? priceKey(tier, cycle, currency) : priceId;
  return { id, ...cycle, currency, unitAmount: Math.round(unitCents), perSeat: sold?.perSeat ?? false };
}

/** @returns the price after the scheduled change; null if there is none */
export function scheduledPriceOf(
  tiers: Tiers,
  subscription: BillingSubscriptionDoc | null,
): PaidPrice | null {
  const { scheduledTier, scheduledPriceId, itemPrice } = subscription ?? {};
  const price = scheduledPriceId && tiers.getPriceFromPriceId(scheduledPriceId);
  if (!price || !scheduledTier) return null;
  const { amounts, ...terms } = price;
  const currency = itemPrice?.currency ?? tiers.catalogue.currency;
  const unitAmount = amounts[currency];
  if (unitAmount === undefined) return null;
  return { id: priceKey(scheduledTier, price, currency), ...terms, currency, unitAmount };
}
