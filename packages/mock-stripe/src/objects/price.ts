import type { Interval } from '../calendar.js';
import { invalidRequest } from '../http/errors.js';
import type { Kind, Tx } from '../storage/store.js';
import { idOf, type PriceBody } from '../wire.js';

/** Hidden: whether the price was made inline, for one subscription alone. */
export const prices: Kind<PriceBody, { inline: true } | null> = {
  object: 'price',
  prefix: 'price',
  refs: ({ active, product, lookup_key: lookupKey }) => ({
    active,
    product: idOf(product) ?? '',
    ...(lookupKey ? { lookupKey } : {}),
  }),
};

export interface PriceTerms {
  currency: string;
  /** Cents, with up to 12 decimals. */
  unitAmount: string;
  product: string;
  /** What it bills the use of; null: a quantity that is set. */
  meter?: string | null;
  /** null: paid once. */
  interval: Interval | null;
  intervalCount: number;
  /** What it costs in other currencies, as `unitAmount`. */
  currencyAmounts?: Readonly<Record<string, string>>;
}

export function buildPrice(id: string, terms: PriceTerms, nowS: number): PriceBody {
  const { currency, unitAmount, product, interval, intervalCount, meter = null } = terms;
  const { currencyAmounts = {} } = terms;
  return {
    id,
    object: 'price',
    active: true,
    billing_scheme: 'per_unit',
    created: nowS,
    currency: currency.toLowerCase(),
    currency_options: {
      [currency.toLowerCase()]: currencyOption(unitAmount),
      ...Object.fromEntries(
        Object.entries(currencyAmounts).map(([code, amount]) => [code.toLowerCase(), currencyOption(amount)]),
      ),
    },
    custom_unit_amount: null,
    livemode: false,
    lookup_key: null,
    metadata: {},
    nickname: null,
    product,
    recurring: interval
      ? {
          interval,
          interval_count: intervalCount,
          meter,
          trial_period_days: null,
          usage_type: meter ? 'metered' : 'licensed',
        }
      : null,
    tax_behavior: 'unspecified',
    tiers_mode: null,
    transform_quantity: null,
    type: interval ? 'recurring' : 'one_time',
    ...amounts(unitAmount),
  };
}

const amounts = (unitAmount: string) => ({
  unit_amount: Number.isInteger(Number(unitAmount)) ? Number(unitAmount) : null,
  unit_amount_decimal: unitAmount,
});

export const currencyOption = (
  unitAmount: string,
  taxBehavior: TaxBehavior = 'unspecified',
): NonNullable<PriceBody['currency_options']>[string] => ({
  custom_unit_amount: null,
  tax_behavior: taxBehavior,
  ...amounts(unitAmount),
});

type TaxBehavior = NonNullable<PriceBody['tax_behavior']>;

/**
 * Says whether a price includes tax, in its own currency.
 * @throws MockStripeError for another one than it has
 */
export function setTaxBehavior(body: PriceBody, wanted: TaxBehavior): void {
  requireUnset(body.tax_behavior, wanted);
  body.tax_behavior = wanted;
  const own = body.currency_options?.[body.currency];
  if (own) own.tax_behavior = wanted;
}

/** @throws MockStripeError for another one than there is */
export function requireUnset(present: TaxBehavior | null | undefined, wanted: TaxBehavior): void {
  if (!present || present === 'unspecified' || present === wanted) return;
  throw invalidRequest(
    "You can't change `tax_behavior` once it has been set to a value other than `unspecified`.",
    {
      param: 'tax_behavior',
    },
  );
}

/**
 * @param param names the price in the error
 * @returns the price as it is charged in a currency
 * @throws MockStripeError for a currency that it does not have
 */
export function priceIn(price: PriceBody, currency: string, param = 'currency'): PriceBody {
  if (price.currency === currency) return price;
  const option = price.currency_options?.[currency];
  if (!option) {
    throw invalidRequest(
      `The price specified only supports \`${Object.keys(price.currency_options ?? { [price.currency]: 1 }).join('`, `')}\`. This doesn't match the expected currency: \`${currency}\`.`,
      { param },
    );
  }
  const { unit_amount, unit_amount_decimal } = option;
  return { ...price, currency, unit_amount, unit_amount_decimal };
}

export const isSoldIn = (price: PriceBody, currency: string): boolean =>
  price.currency === currency || price.currency_options?.[currency] !== undefined;

export const isMetered = ({ recurring }: PriceBody): boolean => recurring?.usage_type === 'metered';

/**
 * @returns what a quantity costs in cents, rounded as Stripe rounds each line: half a cent up
 */
export function centsFor({ unit_amount_decimal: unitAmount }: PriceBody, quantity: number): number {
  const [whole = '0', fraction = ''] = (unitAmount ?? '0').split('.');
  const scale = 10n ** BigInt(fraction.length);
  const scaled = BigInt(whole + fraction) * BigInt(Math.trunc(quantity));
  return Number((2n * scaled + scale) / (2n * scale));
}

/** @throws MockStripeError for a metered price with a quantity, because its meter counts it */
export function rejectQuantity(price: PriceBody, quantity: number | undefined, param: string): void {
  if (quantity === undefined || !isMetered(price)) return;
  throw invalidRequest(
    `Quantity should not be specified where usage_type is \`metered\`. Remove quantity from \`${param}\``,
    { param: `${param}[quantity]` },
  );
}

/** @throws MockStripeError when there is no such price, or it cannot be subscribed to */
export async function subscribablePrice(tx: Tx, id: string, param: string): Promise<PriceBody> {
  const { body } = await tx.get(prices, id, param);
  if (!body.active) throw invalidRequest(`The price specified is inactive: '${id}'.`, { param });
  if (!body.recurring) {
    throw invalidRequest(
      `The price specified is set to \`type=one_time\`, a recurring one is needed: '${id}'.`,
      {
        param,
      },
    );
  }
  return body;
}
