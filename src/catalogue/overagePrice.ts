/** The price of calls beyond the quota, in cents per number of calls; null if none are sold. */
export type OveragePrice = { priceCents: number; perCalls: number } | null;

/** The decimals that Stripe accepts in the price of a unit in cents. */
const MAX_DECIMALS = 12;

/** @returns how many calls the money buys, rounded down so that a cap is never exceeded */
export const callsFor = (cents: number, price: OveragePrice): number =>
  price ? Math.floor((cents * price.perCalls) / price.priceCents) : 0;

/** @returns cents with fractions; the invoice rounds them, half a cent up */
export const costOf = (calls: number, price: OveragePrice): number =>
  price ? (calls * price.priceCents) / price.perCalls : 0;

/** @returns the price of one call in cents, such as `0.01`; null if it needs more decimals than Stripe accepts */
export function callPriceOf({ priceCents, perCalls }: NonNullable<OveragePrice>): string | null {
  const scaled = BigInt(priceCents) * 10n ** BigInt(MAX_DECIMALS);
  if (scaled % BigInt(perCalls) !== 0n) return null;
  const digits = String(scaled / BigInt(perCalls)).padStart(MAX_DECIMALS + 1, '0');
  const fraction = digits.slice(-MAX_DECIMALS).replace(/0+$/, '');
  const whole = digits.slice(0, -MAX_DECIMALS);
  return fraction ? `${whole}.${fraction}` : whole;
}

/** @returns the price of one call by currency, the catalogue's first */
export const callPricesOf = (
  {
    priceCents,
    perCalls,
    amounts = {},
  }: NonNullable<OveragePrice> & { amounts?: Record<string, number> | undefined },
  currency: string,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries({ [currency]: priceCents, ...amounts }).map(([code, cents]) => [
      code,
      // The catalogue is rejected with a price that has too many decimals.
      callPriceOf({ priceCents: cents, perCalls }) ?? '0',
    ]),
  );
