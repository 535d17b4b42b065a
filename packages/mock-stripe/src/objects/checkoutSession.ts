import { mockId } from '../ids.js';
import type { Kind, Stored } from '../storage/store.js';
import { idOf, type LineItemBody, type PriceBody, type SessionBody } from '../wire.js';
import { centsFor } from './price.js';

export interface SessionHidden {
  lineItems: LineItemBody[];
  discounts: { coupon?: string | undefined; promotion_code?: string | undefined }[];
  subscription: {
    metadata: Record<string, string>;
    description: string | null;
    trialPeriodDays: number | null;
    trialEndS: number | null;
    missingPaymentMethod: 'cancel' | 'create_invoice' | 'pause';
  };
}

export type StoredSession = Stored<SessionBody, SessionHidden>;

export const checkoutSessions: Kind<SessionBody, SessionHidden> = {
  object: 'checkout.session',
  prefix: 'cs',
  refs: ({ customer, subscription, status }) => ({
    customer: idOf(customer) ?? '',
    subscription: idOf(subscription) ?? '',
    status: status ?? 'open',
  }),
  dueAt: ({ status, expires_at: expiresAt }) => (status === 'open' ? expiresAt : null),
};

/**
 * @param charged the price in the session's currency
 * @param quantity null: a meter counts it, and nothing of it is due today
 */
export function buildLineItem(
  price: PriceBody,
  charged: PriceBody,
  quantity: number | null,
  name: string,
): LineItemBody {
  const total = quantity === null ? 0 : centsFor(charged, quantity);
  return {
    id: mockId('li'),
    object: 'item',
    adjustable_quantity: null,
    amount_discount: 0,
    amount_subtotal: total,
    amount_tax: 0,
    amount_total: total,
    currency: charged.currency,
    description: name,
    metadata: {},
    price,
    quantity,
  };
}

export interface SessionTerms {
  customer: string | null;
  customerEmail: string | null;
  clientReferenceId: string | null;
  successUrl: string;
  cancelUrl: string | null;
  metadata: Record<string, string>;
  allowPromotionCodes: boolean | null;
  billingAddressCollection: 'auto' | 'required' | null;
  paymentMethodCollection: 'always' | 'if_required';
  locale: string | null;
  expiresAtS: number;
  currency: string;
  totalCents: number;
  url: string;
}

export function buildSession(id: string, terms: SessionTerms, nowS: number): SessionBody {
  return {
    id,
    object: 'checkout.session',
    adaptive_pricing: null,
    after_expiration: null,
    allow_promotion_codes: terms.allowPromotionCodes,
    allowed_payment_method_types: null,
    amount_subtotal: terms.totalCents,
    amount_total: terms.totalCents,
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    billing_address_collection: terms.billingAddressCollection,
    cancel_url: terms.cancelUrl,
    client_reference_id: terms.clientReferenceId,
    client_secret: null,
    collected_information: null,
    consent: null,
    consent_collection: null,
    created: nowS,
    currency: terms.currency,
    currency_conversion: null,
    custom_fields: [],
    custom_text: {
      after_submit: null,
      shipping_address: null,
      submit: null,
      terms_of_service_acceptance: null,
    },
    customer: terms.customer,
    customer_account: null,
    customer_creation: terms.customer ? null : 'always',
    customer_details: terms.customerEmail ? detailsOf(terms.customerEmail) : null,
    customer_email: terms.customer ? null : terms.customerEmail,
    discounts: [],
    expires_at: terms.expiresAtS,
    integration_identifier: null,
    invoice: null,
    invoice_creation: null,
    livemode: false,
    locale: terms.locale,
    managed_payments: { enabled: false },
    metadata: terms.metadata,
    mode: 'subscription',
    origin_context: null,
    payment_intent: null,
    payment_link: null,
    payment_method_collection: terms.paymentMethodCollection,
    payment_method_configuration_details: null,
    payment_method_options: { card: { request_three_d_secure: 'automatic' } },
    payment_method_types: ['card'],
    payment_status: 'unpaid',
    permissions: null,
    phone_number_collection: { enabled: false },
    recovered_from: null,
    saved_payment_method_options: {
      allow_redisplay_filters: ['always'],
      payment_method_remove: 'disabled',
      payment_method_save: null,
    },
    setup_intent: null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: 'open',
    submit_type: null,
    subscription: null,
    success_url: terms.successUrl,
    total_details: { amount_discount: 0, amount_shipping: 0, amount_tax: 0 },
    ui_mode: 'hosted_page',
    url: terms.url,
    wallet_options: null,
  };
}

export function detailsOf(email: string | null): SessionBody['customer_details'] {
  return {
    address: null,
    business_name: null,
    email,
    individual_name: null,
    name: null,
    phone: null,
    tax_exempt: 'none',
    tax_ids: [],
  };
}

/** What `expand[]=line_items` adds. */
export function lineItemList({ body, hidden }: StoredSession): NonNullable<SessionBody['line_items']> {
  return {
    object: 'list',
    data: hidden.lineItems,
    has_more: false,
    url: `/v1/checkout/sessions/${body.id}/line_items`,
  };
}
