import { z } from 'zod';

/** The largest amount that Stripe charges at once, in the smallest unit of a currency. */
export const MAX_AMOUNT = 99_999_999;
/** Stripe bills at least every three years. */
export const MAX_MONTHS = 36;
const MAX_PRICES = 10;
const MAX_CURRENCIES = 30;

export const currencyCode = z.string().regex(/^[a-z]{3}$/, 'must be a lower-case ISO 4217 code such as usd');

const PRICE_INTERVALS = ['month', 'year'] as const;
export type PriceInterval = (typeof PRICE_INTERVALS)[number];

/** How often a price is paid. */
export interface BillingCycle {
  interval: PriceInterval;
  intervalCount: number;
}

/** What a tier costs when it is paid at one interval, in each currency. */
export interface Price extends BillingCycle {
  /** Whether the amounts are for one seat. */
  perSeat: boolean;
  /** By ISO 4217 code in lower case, in the smallest unit in which Stripe counts the currency. */
  amounts: Readonly<Record<string, number>>;
}

const price = z.strictObject({
  interval: z.enum(PRICE_INTERVALS).describe('How often it is paid.'),
  intervalCount: z.int().min(1).max(MAX_MONTHS).default(1).describe('Every so many months or years.'),
  perSeat: z.boolean().default(false).describe('Whether the amounts are for one seat.'),
  amounts: z
    .record(currencyCode, z.int().min(1).max(MAX_AMOUNT))
    .refine(
      (amounts) => Object.keys(amounts).length <= MAX_CURRENCIES,
      `has more than ${MAX_CURRENCIES} currencies`,
    )
    .describe("By currency; the catalogue's own must be among them."),
});

export const pricesSchema = z
  .array(price)
  .max(MAX_PRICES)
  .describe('What it costs at each interval; instead of monthlyPriceCents. Empty: the monthly price alone.');

export const monthsIn = ({ interval, intervalCount }: BillingCycle): number =>
  interval === 'year' ? 12 * intervalCount : intervalCount;

export const isMonthly = (cycle: BillingCycle): boolean => monthsIn(cycle) === 1;

/** @returns the amount of the monthly price in a currency; null without such a price */
export const monthlyAmountIn = (prices: readonly Price[], currency: string): number | null =>
  prices.find(isMonthly)?.amounts[currency] ?? null;

interface Priced {
  monthlyPriceCents: number | null;
  prices: readonly Price[];
}

/** @returns the prices of a tier, those of the catalogue's first; none for a tier that is free or priced by contract */
export function pricesOf({ monthlyPriceCents, prices }: Priced, currency: string): readonly Price[] {
  if (prices.length > 0 || !monthlyPriceCents) return prices;
  return [
    { interval: 'month', intervalCount: 1, perSeat: false, amounts: { [currency]: monthlyPriceCents } },
  ];
}

/**
 * @returns the prices that a tier has at Stripe. One that is free or priced by contract has a monthly price of nothing
 *   there, whose product gets the prices of contracts
 */
export function stripePricesOf(tier: Priced & { checkout: string }, currency: string): readonly Price[] {
  const prices = pricesOf(tier, currency);
  if (prices.some(isMonthly) || (prices.length > 0 && tier.checkout === 'SELF_SERVICE')) return prices;
  const anchor = { interval: 'month', intervalCount: 1, perSeat: false, amounts: { [currency]: 0 } } as const;
  return [anchor, ...prices];
}

/** @returns for instance `MONTHLY`, `YEARLY`, `3_MONTHS`, `2_YEARS` */
export function cycleName({ interval, intervalCount }: BillingCycle): string {
  if (intervalCount > 1) return `${intervalCount}_${interval.toUpperCase()}S`;
  return interval === 'year' ? 'YEARLY' : 'MONTHLY';
}

/** @returns for instance `a month`, `a year`, `every 3 months` */
export const cycleText = ({ interval, intervalCount }: BillingCycle): string =>
  intervalCount > 1 ? `every ${intervalCount} ${interval}s` : `a ${interval}`;

/** @returns what follows the amount of a price, for instance `a month` or `per seat every 3 months` */
export const perText = ({ perSeat, ...cycle }: BillingCycle & { perSeat: boolean }): string =>
  `${perSeat ? 'per seat ' : ''}${cycleText(cycle)}`;

/**
 * @returns the name of a tier's price, as the variables of Stripe's prices have it: the tier's own for the monthly one,
 *   otherwise with its interval, such as `PRO_YEARLY`
 */
export const priceName = (tier: string, cycle: BillingCycle): string =>
  isMonthly(cycle) ? tier : `${tier}_${cycleName(cycle)}`;

/** @returns for instance `pro_yearly_usd`, which does not change with the price at Stripe */
export const priceKey = (tier: string, cycle: BillingCycle, currency: string): string =>
  `${tier}_${cycleName(cycle)}_${currency}`.toLowerCase();
