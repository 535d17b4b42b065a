import { mockId } from '../ids.js';
import type { Kind } from '../storage/store.js';
import { idOf, type TaxIdBody } from '../wire.js';

/** The number under which a tax authority knows a customer. */
export const taxIds: Kind<TaxIdBody> = {
  object: 'tax_id',
  prefix: 'txi',
  refs: ({ customer }) => ({ customer: idOf(customer) ?? '' }),
};

/** @param type Stripe's name for the kind of number, such as `eu_vat` */
export function buildTaxId(customer: string, { type, value }: TaxIdTerms, nowS: number): TaxIdBody {
  return {
    id: mockId(taxIds.prefix),
    object: 'tax_id',
    // Stripe reads it off the number; those that begin with a country are of it.
    country: /^[A-Z]{2}/.exec(value)?.[0] ?? null,
    created: nowS,
    customer,
    customer_account: null,
    livemode: false,
    owner: { customer, customer_account: null, type: 'customer' },
    type,
    value,
    verification: { status: 'unavailable', verified_address: null, verified_name: null },
  } as TaxIdBody;
}

export interface TaxIdTerms {
  type: string;
  value: string;
}

const EU = new Set(
  'AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK'.split(' '),
);
const OTHERS: Readonly<Record<string, string>> = {
  AU: 'au_abn',
  CA: 'ca_bn',
  CH: 'ch_vat',
  GB: 'gb_vat',
  JP: 'jp_trn',
  NO: 'no_vat',
  US: 'us_ein',
};

/** @returns the kind of number that businesses of a country have; a checkout asks for that one */
export const taxIdTypeIn = (country: string): string =>
  EU.has(country) ? 'eu_vat' : (OTHERS[country] ?? 'unknown');
