import Stripe from 'stripe';

const MAX_ID_CHARS = 255;

/** @param reference an id or the expanded object, as Stripe returns either */
export function idOf(reference: unknown): string | null {
  const id =
    typeof reference === 'string' ? reference : (reference as { id?: unknown } | null | undefined)?.id;
  return typeof id === 'string' && id !== '' && id.length <= MAX_ID_CHARS ? id : null;
}

/** Since 2025 an invoice names its subscription in its parent; before, in a field of its own. */
export function subscriptionOfInvoice({
  parent,
  subscription,
}: Readonly<Record<string, unknown>>): string | null {
  const { subscription_details: details } = (parent ?? {}) as {
    subscription_details?: { subscription?: unknown };
  };
  return idOf(details?.subscription ?? subscription);
}

/** @returns the tax in an invoice's total; older servers do not say */
export const taxOf = ({ total_taxes: taxes }: Pick<Stripe.Invoice, 'total_taxes'>): number =>
  (taxes ?? []).reduce((sum, { amount }) => sum + amount, 0);

/** @returns what an invoice's line costs, with the tax that its price does not include */
export const withAddedTax = ({ amount, taxes }: Pick<Stripe.InvoiceLineItem, 'amount' | 'taxes'>): number =>
  (taxes ?? []).reduce((sum, tax) => (tax.tax_behavior === 'exclusive' ? sum + tax.amount : sum), amount);

/** @returns what a price costs in another currency, as a decimal; null if it has no amount in it */
export function amountIn(
  { currency_options: options }: Stripe.Price,
  currency: string,
): Stripe.Decimal | null {
  const { unit_amount: amount, unit_amount_decimal: decimal } = options?.[currency] ?? {};
  const value = decimal ?? amount;
  // The SDK neither reads nor writes decimals inside of records.
  return value == null ? null : Stripe.Decimal.from(String(value));
}

/**
 * @param taxBehavior of all of them; null: as the account's tax settings say
 * @returns amounts by currency as the parameter of a price
 */
export const currencyOptionsOf = (
  amounts: Readonly<Record<string, Stripe.Decimal>>,
  taxBehavior: 'exclusive' | 'inclusive' | null,
) =>
  Object.fromEntries(
    Object.entries(amounts).map(([currency, amount]) => [
      currency,
      {
        unit_amount_decimal: String(amount) as unknown as Stripe.Decimal,
        ...(taxBehavior && { tax_behavior: taxBehavior }),
      },
    ]),
  );

const MAX_SEARCHED = 10_000;
/** The largest page that Stripe returns. */
export const PAGE = 100;

/**
 * Searches all pages of a list up to the first match.
 * @param what the plural name of the listed objects, for the error
 * @throws Error when no match is found within 10,000 objects, because a caller would otherwise create a duplicate
 */
export async function findListed<T>(
  list: AsyncIterable<T>,
  what: string,
  matches: (one: T) => boolean,
): Promise<T | undefined> {
  let count = 0;
  for await (const one of list) {
    if (matches(one)) return one;
    count += 1;
    if (count >= MAX_SEARCHED)
      throw new Error(
        `No match among the first ${MAX_SEARCHED} ${what} at Stripe; archive those that are not needed`,
      );
  }
  return undefined;
}
