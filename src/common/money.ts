/**
 * Amounts are in the smallest unit that Stripe uses for a currency (docs.stripe.com/currencies). It differs from ISO 4217
 * and `Intl`: Stripe counts ISK and UGX, which have no fraction, in hundredths, and HUF and TWD as well. `packages/mock-stripe` has its own copy, because it depends on
 * nothing of the server.
 */
const WITHOUT_FRACTION = new Set('bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'.split(' '));
const IN_THOUSANDTHS = new Set('bhd jod kwd omr tnd'.split(' '));
/** The price of a call has up to 12 decimals of the smallest unit. */
const MAX_DECIMALS = 15;

/** They have no fraction any more; Stripe counts them in hundredths as before. */
const WHOLE_UNITS = new Set(['isk', 'ugx']);

/**
 * @returns what an amount that is charged must be a multiple of, in the smallest unit: Stripe charges thousandths ten at a
 *   time, and of ISK and UGX no hundredths (docs.stripe.com/currencies). HUF and TWD are only paid out without them
 */
export function chargeStep(currency: string): number {
  const code = currency.toLowerCase();
  if (WHOLE_UNITS.has(code)) return 100;
  return IN_THOUSANDTHS.has(code) ? 10 : 1;
}

/** @returns why Stripe cannot charge an amount; null if it can */
export function chargeProblem(amount: number, currency: string): string | null {
  const step = chargeStep(currency);
  if (amount % step === 0) return null;
  return `must be a multiple of ${step}, because Stripe charges no less of ${currency.toUpperCase()} than ${formatMoney(step, currency)}`;
}

/** @returns the number of decimals that the smallest unit has in the currency */
function fractionDigits(currency: string): number {
  const code = currency.toLowerCase();
  if (WITHOUT_FRACTION.has(code)) return 0;
  return IN_THOUSANDTHS.has(code) ? 3 : 2;
}

/**
 * @param amount in the smallest unit; may have a fraction
 * @param options `stripZeros`: `$29`, but `$29.50`
 * @returns for instance `$29.00`, `¥2,900`, `KWD 2.900`
 */
export function formatMoney(
  amount: number,
  currency: string,
  options: { stripZeros?: boolean } = {},
): string {
  const digits = fractionDigits(currency);
  return new Intl.NumberFormat('en-US', {
    style: 'currency',
    currency: currency.toUpperCase(),
    minimumFractionDigits: digits,
    trailingZeroDisplay: options.stripZeros ? 'stripIfInteger' : 'auto',
    maximumFractionDigits: Number.isInteger(amount) ? digits : MAX_DECIMALS,
  }).format(amount / 10 ** digits);
}
