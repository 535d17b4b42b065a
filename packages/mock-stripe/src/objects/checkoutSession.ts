import { mockId } from '../ids.js';
import type { Kind, Stored } from '../storage/store.js';
import { idOf, type LineItemBody, type PriceBody, type SessionBody, type SubscriptionBody } from '../wire.js';
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
    settings: Partial<Pick<SubscriptionBody, 'automatic_tax' | 'invoice_settings'>>;
  };
  /** What of the person's details becomes the customer's. */
  saves: { address: boolean; name: boolean };
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
 * @param taxOf the tax on an amount, or in it
 */
export function buildLineItem(
  price: PriceBody,
  charged: PriceBody,
  quantity: number | null,
  name: string,
  taxOf: (amountCents: number) => { tax: number; added: number },
): LineItemBody {
  const subtotal = quantity === null ? 0 : centsFor(charged, quantity);
  const { tax, added } = taxOf(subtotal);
  return {
    id: mockId('li'),
    object: 'item',
    adjustable_quantity: null,
    amount_discount: 0,
    amount_subtotal: subtotal,
    amount_tax: tax,
    amount_total: subtotal + added,
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
  /** null: no tax is computed. */
  taxStatus: 'complete' | 'requires_location_inputs' | null;
  taxIdCollection: SessionBody['tax_id_collection'];
  subtotalCents: number;
  taxCents: number;
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
    amount_subtotal: terms.subtotalCents,
    amount_total: terms.totalCents,
    automatic_tax: {
      enabled: terms.taxStatus !== null,
      liability: terms.taxStatus ? { type: 'self' } : null,
      provider: terms.taxStatus ? 'stripe' : null,
      status: terms.taxStatus,
    },
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
    customer_details: terms.customerEmail ? detailsOf({ email: terms.customerEmail }) : null,
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
    ...(terms.taxIdCollection && { tax_id_collection: terms.taxIdCollection }),
    total_details: { amount_discount: 0, amount_shipping: 0, amount_tax: terms.taxCents },
    ui_mode: 'hosted_page',
    url: terms.url,
    wallet_options: null,
  };
}

type Details = NonNullable<SessionBody['customer_details']>;

export function detailsOf(known: Partial<Details>): Details {
  return {
    address: null,
    business_name: null,
    email: null,
    individual_name: null,
    name: null,
    phone: null,
    tax_exempt: 'none',
    tax_ids: [],
    ...known,
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
