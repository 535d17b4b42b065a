import { mockId } from '../ids.js';
import type { Kind, Stored } from '../storage/store.js';
import { type CustomerBody, type InvoiceBody, type InvoiceLineBody, idOf, type PriceBody } from '../wire.js';

/** The time for which one line bills an item's usage. */
export interface UsageSpan {
  itemId: string;
  price: PriceBody;
  fromS: number;
  /** Exclusive. */
  untilS: number;
}

const DAY_S = 86_400;

/** What a draft is finalized from; null: it is final. */
export interface Draft {
  finalizesAtS: number;
  terms: Pick<InvoiceTerms, 'reason' | 'lines' | 'period'>;
  /** Billed as a meter has counted it then. */
  spans: UsageSpan[];
}

export type StoredInvoice = Stored<InvoiceBody, Draft | null>;

export const invoices: Kind<InvoiceBody, Draft | null> = {
  object: 'invoice',
  prefix: 'in',
  refs: ({ customer, parent, status }) => ({
    customer: idOf(customer) ?? '',
    subscription: idOf(parent?.subscription_details?.subscription) ?? '',
    status: status ?? 'draft',
  }),
  dueAt: (_body, draft) => draft?.finalizesAtS ?? null,
};

export interface LineTerms {
  itemId: string;
  subscription: string;
  price: string;
  product: string;
  amountCents: number;
  unitAmount: string | null;
  quantity: number;
  currency: string;
  description: string;
  proration: boolean;
  fromS: number;
  untilS: number;
}

export function buildLine(invoice: string, terms: LineTerms): InvoiceLineBody {
  return {
    id: mockId('il'),
    object: 'line_item',
    amount: terms.amountCents,
    currency: terms.currency,
    description: terms.description,
    discount_amounts: [],
    discountable: !terms.proration,
    discounts: [],
    invoice,
    livemode: false,
    metadata: {},
    parent: {
      invoice_item_details: null,
      subscription_item_details: {
        invoice_item: terms.proration ? mockId('ii') : null,
        proration: terms.proration,
        proration_details: { credited_items: null },
        subscription: terms.subscription,
        subscription_item: terms.itemId,
      },
      type: 'subscription_item_details',
    },
    period: { end: terms.untilS, start: terms.fromS },
    pretax_credit_amounts: [],
    pricing: {
      price_details: { price: terms.price, product: terms.product },
      type: 'price_details',
      unit_amount_decimal: terms.unitAmount,
    },
    quantity: terms.quantity,
    quantity_decimal: String(terms.quantity),
    subscription: terms.subscription,
    subtotal: terms.amountCents,
    taxes: [],
  };
}

export interface InvoiceTerms {
  customer: CustomerBody;
  subscription: {
    id: string;
    metadata: Record<string, string>;
    default_payment_method: string | null;
    /** null: charged automatically. */
    daysUntilDue: number | null;
  };
  currency: string;
  reason: 'subscription_create' | 'subscription_cycle' | 'subscription_update' | 'upcoming';
  lines: LineTerms[];
  /** Taken off the total. */
  discounts: { id: string; amountCents: number }[];
  period: { start: number; end: number };
}

/** @returns the invoice as it is before it has a number; nothing of it is to be paid yet */
export const asDraft = (invoice: InvoiceBody): InvoiceBody => ({
  ...invoice,
  status: 'draft',
  number: null,
  effective_at: null,
  ending_balance: null,
  hosted_invoice_url: null,
  invoice_pdf: null,
  status_transitions: { ...invoice.status_transitions, finalized_at: null },
});

/** @returns an invoice that waits for its payment; the customer's balance is set off against its total */
export function buildInvoice(id: string, terms: InvoiceTerms, nowS: number): InvoiceBody {
  const { customer, subscription, currency, lines, period } = terms;
  const subtotal = lines.reduce((sum, { amountCents }) => sum + amountCents, 0);
  const total = terms.discounts.reduce((sum, { amountCents }) => sum - amountCents, subtotal);
  const afterBalance = total + customer.balance;
  const due = Math.max(0, afterBalance);
  const page = `https://invoice.stripe.com/mock/${id}`;
  return {
    id,
    object: 'invoice',
    account_country: 'US',
    account_name: 'Mock account',
    account_tax_ids: null,
    amount_due: due,
    amount_overpaid: 0,
    amount_paid: 0,
    amount_remaining: due,
    amount_shipping: 0,
    application: null,
    attempt_count: 0,
    attempted: false,
    auto_advance: true,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null, provider: null, status: null },
    automatically_finalizes_at: null,
    billing_reason: terms.reason,
    collection_method: subscription.daysUntilDue === null ? 'charge_automatically' : 'send_invoice',
    created: nowS,
    currency,
    custom_fields: null,
    customer: customer.id,
    customer_account: null,
    customer_address: null,
    customer_email: customer.email,
    customer_name: customer.name ?? null,
    customer_phone: customer.phone ?? null,
    customer_shipping: null,
    customer_tax_exempt: 'none',
    customer_tax_ids: [],
    default_payment_method: subscription.default_payment_method,
    default_source: null,
    default_tax_rates: [],
    description: null,
    discounts: terms.discounts.map(({ id: discount }) => discount),
    due_date: subscription.daysUntilDue === null ? null : nowS + subscription.daysUntilDue * DAY_S,
    effective_at: nowS,
    ending_balance: Math.min(0, afterBalance),
    footer: null,
    from_invoice: null,
    hosted_invoice_url: page,
    invoice_pdf: `${page}/pdf`,
    issuer: { type: 'self' },
    last_finalization_error: null,
    latest_revision: null,
    lines: {
      object: 'list',
      data: lines.map((line) => buildLine(id, line)),
      has_more: false,
      url: `/v1/invoices/${id}/lines`,
    },
    livemode: false,
    metadata: {},
    next_payment_attempt: null,
    number: `${customer.invoice_prefix ?? 'MOCK'}-${String(customer.next_invoice_sequence ?? 1).padStart(4, '0')}`,
    on_behalf_of: null,
    parent: {
      quote_details: null,
      subscription_details: { metadata: subscription.metadata, subscription: subscription.id },
      type: 'subscription_details',
    },
    payment_settings: { default_mandate: null, payment_method_options: null, payment_method_types: null },
    period_end: period.end,
    period_start: period.start,
    post_payment_credit_notes_amount: 0,
    pre_payment_credit_notes_amount: 0,
    receipt_number: null,
    rendering: null,
    shipping_cost: null,
    shipping_details: null,
    starting_balance: customer.balance,
    statement_descriptor: null,
    status: 'open',
    status_transitions: { finalized_at: nowS, marked_uncollectible_at: null, paid_at: null, voided_at: null },
    subtotal,
    subtotal_excluding_tax: subtotal,
    test_clock: null,
    total,
    total_discount_amounts: terms.discounts.map(({ id: discount, amountCents: amount }) => ({
      amount,
      discount,
    })),
    total_excluding_tax: total,
    total_pretax_credit_amounts: [],
    total_taxes: [],
    webhooks_delivered_at: nowS,
  };
}
