import type { TierDefinition } from './catalogue.js';

/** What calls past the quota cost; null: the tier sells none. */
export type OveragePrice = TierDefinition['overage'];

/** @returns how many calls the money buys, rounded down: a cap is never passed */
export const callsFor = (cents: number, price: OveragePrice): number =>
  price ? Math.floor((cents * price.perCalls) / price.priceCents) : 0;

/** @returns cents, with fractions */
export const costOf = (calls: number, price: OveragePrice): number =>
  price ? (calls * price.priceCents) / price.perCalls : 0;
