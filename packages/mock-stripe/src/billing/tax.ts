import { invalidRequest } from '../http/errors.js';
import type { InvoiceTax, LineTerms } from '../objects/invoice.js';
import { prices } from '../objects/price.js';
import { taxIds } from '../objects/taxId.js';
import { AUTOMATIC_TAX_RATE } from '../objects/taxRate.js';
import type { Change } from '../operation.js';
import type { Tx } from '../storage/store.js';
import type { CustomerBody, SubscriptionBody, TaxIdBody } from '../wire.js';
import type { DiscountAmount } from './discounts.js';

/** Stripe Tax with one rate for everything, wherever the customer is. */

type TaxBehavior = 'exclusive' | 'inclusive';

const MAX_TAX_IDS = 100;

/**
 * Whether tax can be computed for an address: a country is enough, except where the rate depends on more
 * (docs.stripe.com/tax/customer-locations).
 */
export function isLocated(address: CustomerBody['address']): boolean {
  if (!address?.country) return false;
  if (address.country === 'US') return Boolean(address.postal_code);
  if (address.country === 'CA') return Boolean(address.postal_code || address.state);
  return true;
}

/** @throws MockStripeError if tax is to be computed and it is unknown where the customer is */
export function requireLocation(
  { address }: CustomerBody,
  automaticTax: { enabled: boolean } | undefined,
): void {
  if (!automaticTax?.enabled || isLocated(address ?? null)) return;
  throw invalidRequest(
    "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax.",
    { code: 'customer_tax_location_invalid' },
  );
}

/** @returns the tax on an amount, or in it, rounded half up, a credit's like a charge's */
export function taxIn(amountCents: number, percent: string, behavior: TaxBehavior): number {
  const [whole = '0', fraction = ''] = percent.split('.');
  const rate = BigInt(whole + fraction);
  const all = 100n * 10n ** BigInt(fraction.length);
  const divisor = behavior === 'exclusive' ? all : all + rate;
  const size = BigInt(Math.abs(amountCents));
  return Math.sign(amountCents) * Number((2n * size * rate + divisor) / (2n * divisor));
}

/** Without a behavior of its own, a price has that of the account's tax settings: here, tax is added. */
export async function taxBehaviorOf(tx: Tx, priceId: string, currency: string): Promise<TaxBehavior> {
  const price = (await tx.find(prices, priceId))?.body;
  const own = price?.currency_options?.[currency]?.tax_behavior ?? price?.tax_behavior;
  return own === 'inclusive' ? 'inclusive' : 'exclusive';
}

/**
 * @param reduced what the discounts take off
 * @returns the tax of an invoice's lines; null: none is computed
 */
export async function taxOn(
  { tx, taxPercent }: Pick<Change, 'tx' | 'taxPercent'>,
  body: SubscriptionBody,
  customer: CustomerBody,
  lines: readonly LineTerms[],
  reduced: readonly DiscountAmount[],
): Promise<InvoiceTax | null> {
  if (!body.automatic_tax.enabled) return null;
  if (!isLocated(customer.address ?? null)) return { status: 'requires_location_inputs', byLine: [] };
  const amounts = afterDiscounts(lines, reduced);
  const byLine: InvoiceTax['byLine'] = [];
  for (const [index, { price, currency }] of lines.entries()) {
    const behavior = await taxBehaviorOf(tx, price, currency);
    const taxableCents = amounts[index] as number;
    const isTaxed = customer.tax_exempt === 'none' || !customer.tax_exempt;
    byLine.push({
      amount: isTaxed ? taxIn(taxableCents, taxPercent, behavior) : 0,
      tax_behavior: behavior,
      tax_rate_details: { tax_rate: AUTOMATIC_TAX_RATE },
      taxability_reason: REASONS[customer.tax_exempt ?? 'none'] ?? 'standard_rated',
      taxable_amount: isTaxed ? taxableCents : 0,
      type: 'tax_rate_details',
    });
  }
  return { status: 'complete', byLine };
}

const REASONS: Readonly<Record<string, string>> = { exempt: 'customer_exempt', reverse: 'reverse_charge' };

/** Discounts are spread over the lines that they reduce. Sums of parts are rounded, so that the parts add up. */
function afterDiscounts(lines: readonly LineTerms[], reduced: readonly DiscountAmount[]): number[] {
  const off = reduced.reduce((sum, { amountCents }) => sum + amountCents, 0);
  const discountable = ({ proration, amountCents }: LineTerms) => (proration ? 0 : amountCents);
  const all = lines.reduce((sum, line) => sum + discountable(line), 0);
  let before = 0;
  const offUntil = (cents: number) => (all === 0 ? 0 : Math.round((off * cents) / all));
  return lines.map((line) => {
    const own = discountable(line);
    const part = offUntil(before + own) - offUntil(before);
    before += own;
    return line.amountCents - part;
  });
}

export const taxIdsOf = async (tx: Tx, customer: string): Promise<Pick<TaxIdBody, 'type' | 'value'>[]> =>
  (await tx.list(taxIds, { 'refs.customer': customer }, MAX_TAX_IDS)).map(({ body: { type, value } }) => ({
    type,
    value,
  }));
