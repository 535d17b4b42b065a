/** Where stripe-mock is not the authority. An entry that is no longer needed fails the suite. */
import Stripe from 'stripe';
import type { Change } from './requests.js';

/** What our API version has and stripe-mock refuses: the specification in it is older. */
export interface Newer {
  endpoint: string;
  /** null: it does not know the endpoint. */
  param: string | null;
  /** As Stripe takes it. */
  field?: [name: string, value: string];
  reason: string;
}

/** What an endpoint cannot do without and no request of ours shows. */
export const NEEDED: Record<string, [name: string, value: string][]> = {
  'POST /v1/charges': [
    ['amount', '100'],
    ['currency', 'usd'],
    ['customer', 'any'],
  ],
  'POST /v1/customers/:id/tax_ids': [
    ['type', 'eu_vat'],
    ['value', 'any'],
  ],
  'POST /v1/promotion_codes': [
    ['promotion[type]', 'coupon'],
    ['promotion[coupon]', 'any'],
  ],
};

export const NEWER: readonly Newer[] = [
  {
    endpoint: 'POST /v1/subscriptions/:id',
    param: 'billing_cycle_anchor',
    field: ['billing_cycle_anchor[type]', 'now'],
    reason: 'was a word, and is an object with a type since 2026-10',
  },
  {
    endpoint: 'POST /v1/invoices/create_preview',
    param: 'subscription_details[billing_cycle_anchor]',
    field: ['subscription_details[billing_cycle_anchor][type]', 'now'],
    reason: 'was a word, and is an object with a type since 2026-10',
  },
  {
    endpoint: 'POST /v1/webhook_endpoints',
    param: 'api_version',
    field: ['api_version', Stripe.API_VERSION],
    reason: 'may be one of the versions up to its own, and we name ours',
  },
  {
    endpoint: 'GET /v2/core/events/:id',
    param: null,
    reason: 'it has nothing of API v2, nor has our mock',
  },
  {
    endpoint: 'POST /v1/subscriptions/:id/resume',
    param: 'billing_cycle_anchor',
    field: ['billing_cycle_anchor[type]', 'now'],
    reason: 'was a word, and is an object with a type since 2026-10',
  },
  {
    endpoint: 'POST /v1/subscriptions/:id/resume',
    param: 'payment_behavior',
    field: ['payment_behavior', 'error_if_incomplete'],
    reason: 'did not exist',
  },
  ...['POST /v1/customers', 'POST /v1/customers/:id'].map((endpoint) => ({
    endpoint,
    param: 'validate',
    field: ['validate', 'true'] as [string, string],
    reason: 'did not exist',
  })),
  { endpoint: 'POST /v1/subscriptions/:id/pause', param: null, reason: 'did not exist' },
];

/** What our mock refuses and stripe-mock takes. Stripe itself refuses it; its specification has no way to say so. */
export interface Stricter extends Change {
  endpoint: string;
  reason: string;
}

const NO_URL = 'must be a URL';
const NO_EMAIL = 'must be an e-mail address';

export const STRICTER: readonly Stricter[] = [
  ...['amount', 'currency', 'customer'].map((param) => ({
    endpoint: 'POST /v1/charges',
    kind: 'without' as const,
    param,
    reason: 'a charge is of an amount, and here of a customer',
  })),
  {
    endpoint: 'POST /v1/billing/meter_event_adjustments',
    kind: 'without',
    param: 'cancel',
    reason: 'the only type, cancel, needs it',
  },
  { endpoint: 'POST /v1/billing_portal/sessions', kind: 'word', param: 'return_url', reason: NO_URL },
  { endpoint: 'POST /v1/checkout/sessions', kind: 'word', param: 'cancel_url', reason: NO_URL },
  { endpoint: 'POST /v1/checkout/sessions', kind: 'word', param: 'success_url', reason: NO_URL },
  { endpoint: 'POST /v1/webhook_endpoints', kind: 'word', param: 'url', reason: NO_URL },
  { endpoint: 'POST /v1/webhook_endpoints/:id', kind: 'word', param: 'url', reason: NO_URL },
  { endpoint: 'POST /v1/checkout/sessions', kind: 'word', param: 'customer_email', reason: NO_EMAIL },
  { endpoint: 'POST /v1/customers', kind: 'word', param: 'email', reason: NO_EMAIL },
  { endpoint: 'POST /v1/customers/:id', kind: 'word', param: 'email', reason: NO_EMAIL },
  ...[
    ['POST /v1/prices', 'unit_amount_decimal'] as const,
    ['POST /v1/prices', 'currency_options[eur][unit_amount_decimal]'] as const,
    ['POST /v1/prices/:id', 'currency_options[eur][unit_amount_decimal]'] as const,
  ].map(([endpoint, param]) => ({
    endpoint,
    kind: 'word' as const,
    param,
    reason: 'must be a number with at most 12 decimals',
  })),
  {
    endpoint: 'POST /v1/subscription_schedules',
    kind: 'without',
    param: 'from_subscription',
    reason: 'without it a schedule needs a customer and phases',
  },
  {
    endpoint: 'POST /v1/subscriptions',
    kind: 'without',
    param: 'customer',
    reason: 'somebody has to be billed, in one of two parameters',
  },
  {
    endpoint: 'POST /v1/subscriptions',
    kind: 'without',
    param: 'items',
    reason: 'something has to be bought',
  },
];
