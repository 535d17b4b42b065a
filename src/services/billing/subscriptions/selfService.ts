import {
  type BillingCycle,
  cycleText,
  MAX_AMOUNT,
  monthsIn,
  type Price,
  type PriceInterval,
  priceName,
} from '../../../catalogue/prices.js';
import { instantText } from '../../../common/clock.js';
import { badInput } from '../../../common/errors.js';
import { formatMoney } from '../../../common/money.js';
import type { BillingSubscriptionDoc, PaymentPause } from '../../../models/billingSubscription.js';
import { rejectRetired, type Tiers } from '../../tiers/tiers.js';

/** What tenants may buy and change without the operator. */

export const MAX_SEATS = 100_000;

/** A price that a caller asks for. */
export interface WantedPrice {
  tier: string;
  interval?: PriceInterval | null | undefined;
  /** Default: 1. */
  intervalCount?: number | null | undefined;
  currency?: string | null | undefined;
  seats?: number | null | undefined;
  /** Whether an operator asks, who also sells hidden tiers. */
  byOperator?: boolean | undefined;
}

/** What holds where a caller says nothing. */
export interface PresentTerms {
  /** null: none. */
  tier: string | null;
  /** Kept if the tier is sold so. */
  cycle: BillingCycle | null;
  /** The currency that the tenant's first purchase fixed; null: none yet. */
  currency: string | null;
  /** null: it is not sold by the seat. */
  seats: number | null;
  /** The quantity of a flat price, which the operator may have set at Stripe. */
  flatQuantity: number;
}

/** A price for sale. */
export interface Sale {
  tier: string;
  priceId: string;
  price: Price;
  currency: string;
  /** For one seat, if it is sold by the seat. */
  unitAmount: number;
  /** The seats; otherwise 1. */
  quantity: number;
  /** The metered price that bills calls past the quota; null: they are not sold. */
  overagePriceId: string | null;
}

export const NO_TERMS: PresentTerms = {
  tier: null,
  cycle: null,
  currency: null,
  seats: null,
  flatQuantity: 1,
};

/** @returns what a subscription has, or had before it ended */
export function presentTermsOf(tiers: Tiers, subscription: BillingSubscriptionDoc | null): PresentTerms {
  if (!subscription) return NO_TERMS;
  const { tier, itemPrice, quantity } = subscription;
  const isPerSeat = isSoldBySeat(tiers, subscription);
  return {
    tier,
    cycle: cycleOf(subscription),
    currency: itemPrice?.currency ?? null,
    seats: isPerSeat ? quantity : null,
    flatQuantity: isPerSeat ? 1 : quantity,
  };
}

/** Whether its quantity is a number of seats: all prices of a tier are by the seat, or none is. */
export function isSoldBySeat(
  tiers: Tiers,
  { tier, tierVersion, priceId }: Pick<BillingSubscriptionDoc, 'tier' | 'tierVersion' | 'priceId'>,
): boolean {
  const [first] = tiers.has(tier) ? tiers.pricesOf(tiers.get(tier, tierVersion)) : [];
  return (tiers.getPriceFromPriceId(priceId) ?? first)?.perSeat === true;
}

export function cycleOf({ itemPrice }: Pick<BillingSubscriptionDoc, 'itemPrice'>): BillingCycle | null {
  const { interval, intervalCount = 1 } = itemPrice ?? {};
  return interval === 'month' || interval === 'year' ? { interval, intervalCount } : null;
}

export const isSameCycle = (one: BillingCycle | null, other: BillingCycle | null): boolean =>
  one !== null && other !== null && monthsIn(one) === monthsIn(other);

/**
 * @param path what precedes the arguments' names in errors, such as `input.`
 * @throws BAD_USER_INPUT for a tier that is not for sale, or not at the interval, in the currency, or by the seat
 */
export function saleOf(tiers: Tiers, wanted: WantedPrice, present: PresentTerms, path: string): Sale {
  const { tier } = wanted;
  const name = tiers.publicNameOf(tier).toLowerCase();
  const definition = tiers.get(tier);
  const { checkout, hidden } = definition;
  rejectRetired(tiers, tier, path);
  if (hidden && !wanted.byOperator && present.tier !== tier)
    throw badInput(`${path}tier`, `The ${name} tier is sold by the operator alone; ask for it`);
  if (checkout === 'NONE') throw badInput(`${path}tier`, `The ${name} tier does not require checkout`);
  if (checkout === 'CONTACT_SALES')
    throw badInput(`${path}tier`, `The ${name} tier has custom pricing, contact sales`);
  const price = priceWanted(name, tiers.pricesOf(definition), wanted, present, path);
  const priceId = tiers.getStripePriceId(tier, price);
  if (!priceId)
    throw badInput(
      `${path}tier`,
      `The ${name} tier is not for sale here: the operator must set STRIPE_PRICE_${priceName(tiers.publicNameOf(tier), price)}`,
    );
  const currency = currencyWanted(name, price, tiers.catalogue.currency, wanted, present, path);
  const unitAmount = price.amounts[currency] as number;
  const quantity = seatsWanted(name, price, wanted, present, path);
  if (unitAmount * quantity > MAX_AMOUNT)
    throw badInput(`${path}seats`, `must cost at most ${formatMoney(MAX_AMOUNT, currency)} together`);
  const overagePriceId = tiers.getOverage(tier, currency) ? tiers.getOveragePriceId(tier) : null;
  return { tier, priceId, price, currency, unitAmount, quantity, overagePriceId };
}

function priceWanted(
  name: string,
  prices: readonly Price[],
  { interval, intervalCount }: WantedPrice,
  { cycle }: PresentTerms,
  path: string,
): Price {
  if (!interval) {
    if (intervalCount) throw badInput(`${path}intervalCount`, 'needs an interval');
    const kept = prices.find((price) => isSameCycle(price, cycle));
    return kept ?? prices.find((price) => monthsIn(price) === 1) ?? (prices[0] as Price);
  }
  const asked = { interval, intervalCount: intervalCount ?? 1 };
  const price = prices.find((one) => isSameCycle(one, asked));
  if (price) return price;
  const sold = prices.map(cycleText).join(', ');
  throw badInput(
    `${path}interval`,
    `The ${name} tier is not sold ${cycleText(asked)}; its prices are ${sold}`,
  );
}

function currencyWanted(
  name: string,
  { amounts }: Price,
  ownCurrency: string,
  { currency, interval }: WantedPrice,
  present: PresentTerms,
  path: string,
): string {
  const asked = currency?.toLowerCase() ?? present.currency ?? ownCurrency;
  if (present.currency && asked !== present.currency)
    throw badInput(
      `${path}currency`,
      `is ${present.currency} since the first purchase, and cannot be changed`,
    );
  if (Object.hasOwn(amounts, asked)) return asked;
  // Who changes a tier names no currency.
  const argument = currency ? 'currency' : interval ? 'interval' : 'tier';
  throw badInput(
    `${path}${argument}`,
    `The ${name} tier is not sold in ${asked} at this interval, but in ${Object.keys(amounts).join(', ')}`,
  );
}

function seatsWanted(
  name: string,
  { perSeat }: Price,
  { seats }: WantedPrice,
  present: PresentTerms,
  path: string,
): number {
  if (!perSeat) {
    if (seats != null) throw badInput(`${path}seats`, `The ${name} tier is not sold by the seat`);
    return present.flatQuantity;
  }
  const quantity = seats ?? present.seats ?? 1;
  if (Number.isInteger(quantity) && quantity >= 1 && quantity <= MAX_SEATS) return quantity;
  throw badInput(`${path}seats`, `must be a whole number from 1 to ${MAX_SEATS}`);
}

/** @throws BAD_USER_INPUT while payments are paused: what a change costs would not be paid, and what it credits was not */
export function rejectPaused({ pause }: BillingSubscriptionDoc, argument = 'subscription'): void {
  if (!pause) return;
  throw badInput(argument, `has paused payments${untilText(pause)}; resume them first, with resumePayments`);
}

/** @returns such as ` until 2027-03-01T00:00:00Z`, or nothing */
export const untilText = ({ resumesAt }: PaymentPause): string =>
  resumesAt ? ` until ${instantText(resumesAt)}` : '';

/** @throws BAD_USER_INPUT for a contract, which only the operator may change */
export function rejectContract({ contract }: BillingSubscriptionDoc): void {
  if (contract) throw badInput('subscription', 'is a contract; ask the operator to change it');
}
