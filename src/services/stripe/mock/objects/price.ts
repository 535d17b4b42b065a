import type { Interval } from '../calendar.js';
import { invalidRequest } from '../http/errors.js';
import type { Kind, Tx } from '../storage/store.js';
import { idOf, type PriceBody } from '../wire.js';

export const prices: Kind<PriceBody> = {
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
  unitAmountCents: number;
  product: string;
  /** null: paid once. */
  interval: Interval | null;
  intervalCount: number;
}

export function buildPrice(id: string, terms: PriceTerms, nowS: number): PriceBody {
  const { currency, unitAmountCents, product, interval, intervalCount } = terms;
  return {
    id,
    object: 'price',
    active: true,
    billing_scheme: 'per_unit',
    created: nowS,
    currency: currency.toLowerCase(),
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
          meter: null,
          trial_period_days: null,
          usage_type: 'licensed',
        }
      : null,
    tax_behavior: 'unspecified',
    tiers_mode: null,
    transform_quantity: null,
    type: interval ? 'recurring' : 'one_time',
    unit_amount: unitAmountCents,
    unit_amount_decimal: String(unitAmountCents),
  };
}

/** @throws StripeFault when there is no such price, or it cannot be subscribed to */
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
