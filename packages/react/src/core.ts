/** What the pages of the billing server share with the parts. It is internal and may change in any release. */

export { type SeatsInput, useSettled } from './dialogs/seatsInput.js';
export { explanationOf } from './explanation.js';
export { type Cycle, cycleKey, maxSeatsAt, type PricedTier, priceAt, pricesIn, termsOf } from './prices.js';
