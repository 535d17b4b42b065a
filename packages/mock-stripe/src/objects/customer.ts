import type { Kind, Stored } from '../storage/store.js';
import type { CustomerBody } from '../wire.js';

export type StoredCustomer = Stored<CustomerBody>;

export const customers: Kind<CustomerBody> = {
  object: 'customer',
  prefix: 'cus',
  refs: ({ email: address }) => (address ? { email: address } : {}),
};

export function buildCustomer(id: string, nowS: number): CustomerBody {
  return {
    id,
    object: 'customer',
    address: null,
    balance: 0,
    created: nowS,
    currency: null,
    customer_account: null,
    default_source: null,
    delinquent: false,
    description: null,
    discount: null,
    email: null,
    invoice_prefix: id.slice(-8).toUpperCase(),
    invoice_settings: {
      custom_fields: null,
      default_payment_method: null,
      footer: null,
      rendering_options: null,
    },
    livemode: false,
    metadata: {},
    name: null,
    next_invoice_sequence: 1,
    phone: null,
    preferred_locales: [],
    shipping: null,
    tax_exempt: 'none',
    test_clock: null,
  };
}
