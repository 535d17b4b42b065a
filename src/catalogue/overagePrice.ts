/** What calls past the quota cost: cents for so many calls; null: none are sold. */
export type OveragePrice = { priceCents: number; perCalls: number } | null;

/** Stripe takes prices of a unit in cents with so many decimals. */
const MAX_DECIMALS = 12;

/** @returns how many calls the money buys, rounded down: a cap is never passed */
export const callsFor = (cents: number, price: OveragePrice): number =>
  price ? Math.floor((cents * price.perCalls) / price.priceCents) : 0;

/** @returns cents, with fractions; the invoice has them rounded, half a cent up */
export const costOf = (calls: number, price: OveragePrice): number =>
  price ? (calls * price.priceCents) / price.perCalls : 0;

/** @returns cents of one call, as `0.01`; null: it has no end within the decimals that Stripe takes */
export function callPriceOf({ priceCents, perCalls }: NonNullable<OveragePrice>): string | null {
  const scaled = BigInt(priceCents) * 10n ** BigInt(MAX_DECIMALS);
  if (scaled % BigInt(perCalls) !== 0n) return null;
  const digits = String(scaled / BigInt(perCalls)).padStart(MAX_DECIMALS + 1, '0');
  const fraction = digits.slice(-MAX_DECIMALS).replace(/0+$/, '');
  const whole = digits.slice(0, -MAX_DECIMALS);
  return fraction ? `${whole}.${fraction}` : whole;
}
