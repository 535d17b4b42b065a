import type { Kind } from '../storage/store.js';
import { idOf, type PaymentMethodBody } from '../wire.js';

/** `fails`: the card is accepted, and every later charge is declined. */
interface CardHidden {
  fails: boolean;
}

export const paymentMethods: Kind<PaymentMethodBody, CardHidden> = {
  object: 'payment_method',
  prefix: 'pm',
  refs: ({ customer }) => ({ customer: idOf(customer) ?? '' }),
};

export function buildCard(
  id: string,
  customer: string,
  email: string | null,
  last4: string,
  nowS: number,
): PaymentMethodBody {
  return {
    id,
    object: 'payment_method',
    allow_redisplay: 'unspecified',
    billing_details: { address: null, email, name: null, phone: null, tax_id: null },
    card: {
      brand: 'visa',
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' },
      country: 'US',
      display_brand: 'visa',
      exp_month: 12,
      exp_year: new Date(nowS * 1000).getUTCFullYear() + 4,
      fingerprint: `mock${last4}`,
      funding: 'credit',
      generated_from: null,
      last4,
      networks: { available: ['visa'], preferred: null },
      regulated_status: 'unregulated',
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    created: nowS,
    customer,
    customer_account: null,
    livemode: false,
    metadata: {},
    type: 'card',
  };
}
