import type { Kind } from '../storage/store.js';
import type { TaxRateBody } from '../wire.js';

export const taxRates: Kind<TaxRateBody> = {
  object: 'tax_rate',
  prefix: 'txr',
  refs: ({ active }) => ({ active }),
};

/** The rate that Stripe Tax finds for everybody. */
export const AUTOMATIC_TAX_RATE = 'txr_mock_automatic';

export interface TaxRateTerms {
  displayName: string;
  inclusive: boolean;
  percentage: number;
  metadata: Record<string, string>;
}

export function buildTaxRate(id: string, terms: TaxRateTerms, nowS: number): TaxRateBody {
  const { displayName, inclusive, percentage, metadata } = terms;
  return {
    id,
    object: 'tax_rate',
    active: true,
    country: null,
    created: nowS,
    description: null,
    display_name: displayName,
    effective_percentage: null,
    flat_amount: null,
    inclusive,
    jurisdiction: null,
    jurisdiction_level: null,
    livemode: false,
    metadata,
    percentage,
    rate_type: null,
    state: null,
    tax_type: null,
  };
}
