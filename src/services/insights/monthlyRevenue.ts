import type { BillingSubscriptionDoc } from '../../models/billingSubscription.js';
import type { CurrencyAmount } from '../../models/tenantStanding.js';
import type { Tiers } from '../tiers/tiers.js';

/** What a tenant pays by its subscription. */
export interface MonthlyRevenue {
  /** The tier of the subscription; null: it pays nothing. */
  paidTier: string | null;
  /** In the catalogue's currency; null: it pays nothing, in another currency, or at a price that is not known. */
  monthlyCents: number | null;
  /** What it pays in another currency. */
  monthlyOther: CurrencyAmount | null;
}

const MONTHS_IN: Readonly<Record<string, number>> = {
  day: 12 / 365,
  week: (12 * 7) / 365,
  month: 1,
  year: 12,
};

const NONE: MonthlyRevenue = { paidTier: null, monthlyCents: null, monthlyOther: null };

/**
 * The price at Stripe, and for subscriptions without a known one that of the catalogue, for one month. Discounts, taxes
 * and overage are not included.
 * @param isInGrace whether a tenant whose payment failed keeps its tier: until then it counts as paying
 */
export function monthlyRevenueOf(
  subscription: BillingSubscriptionDoc | null,
  isInGrace: boolean,
  tiers: Tiers,
): MonthlyRevenue {
  if (!subscription) return NONE;
  const { status, tier, tierVersion, quantity, itemPrice, pause } = subscription;
  if (pause) return NONE;
  if (status !== 'active' && !(status === 'past_due' && isInGrace)) return NONE;
  if (itemPrice) {
    const { unitCents, currency, interval, intervalCount } = itemPrice;
    if (unitCents === 0) return NONE;
    const months = MONTHS_IN[interval];
    const unknown = { ...NONE, paidTier: tier };
    if (!months) return unknown;
    const cents = Math.round((unitCents * quantity) / (months * Math.max(1, intervalCount)));
    return currency === tiers.catalogue.currency
      ? { ...unknown, monthlyCents: cents }
      : { ...unknown, monthlyOther: { currency, cents } };
  }
  const listed = tiers.has(tier) ? tiers.get(tier, tierVersion).monthlyPriceCents : null;
  if (listed === 0) return NONE;
  // A negotiated price is not the tier's.
  const isListed = listed !== null && subscription.contract === null;
  return { ...NONE, paidTier: tier, monthlyCents: isListed ? listed * quantity : null };
}
