/**
 * Stripe counts amounts in the smallest unit of a currency, as it documents them (docs.stripe.com/currencies). That is neither
 * ISO 4217 nor `Intl`: ISK and UGX have no fraction but are given in hundredths all the same, as are HUF and TWD.
 */
const WITHOUT_FRACTION = new Set('bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split(' '));
const IN_THOUSANDTHS = new Set('bhd jod kwd omr tnd'.split(' '));
/** A metered price has up to 12 decimals of the smallest unit. */
const MAX_DECIMALS = 15;

const WHOLE_UNITS = new Set(['isk', 'ugx']);

/**
 * @returns what charges in a currency are multiples of: thousandths are charged ten at a time, and ISK and UGX without
 *   their hundredths
 */
export function chargeStep(currency: string): number {
  if (WHOLE_UNITS.has(currency)) return 100;
  return IN_THOUSANDTHS.has(currency) ? 10 : 1;
}

/**
 * @param amount in the smallest unit, perhaps with a fraction of it
 * @returns for instance `$29.00`, `¥2,900`, `KWD 2.900`
 */
export function formatMoney(amount: number, currency: string): string {
  const code = currency.toLowerCase();
  const digits = WITHOUT_FRACTION.has(code) ? 0 : IN_THOUSANDTHS.has(code) ? 3 : 2;
  return new Intl.NumberFormat('en-US', {
    style: 'currency',
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: Number.isInteger(amount) ? digits : MAX_DECIMALS,
  }).format(amount / 10 ** digits);
}
