import { mockId } from '../ids.js';
import { chargeStep } from '../money.js';
import type { Kind, Stored } from '../storage/store.js';
import {
  type CustomerBody,
  type InvoiceBody,
  type InvoiceLineBody,
  idOf,
  type PriceBody,
  type SubscriptionBody,
  type TaxIdBody,
} from '../wire.js';

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

type LineTax = NonNullable<InvoiceLineBody['taxes']>[number];

/** What Stripe Tax computed for an invoice. */
export interface InvoiceTax {
  status: 'complete' | 'requires_location_inputs';
  /** Empty where it is unknown where the customer is. */
  byLine: LineTax[];
}

function buildLine(invoice: string, terms: LineTerms, tax: LineTax | undefined): InvoiceLineBody {
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
    taxes: tax ? [tax] : [],
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
    invoice_settings: SubscriptionBody['invoice_settings'];
  };
  currency: string;
  reason: 'subscription_create' | 'subscription_cycle' | 'subscription_update' | 'upcoming';
  lines: LineTerms[];
  /** Taken off the total. */
  discounts: { id: string; amountCents: number }[];
  /** null: none is computed. */
  tax: InvoiceTax | null;
  taxIds: Pick<TaxIdBody, 'type' | 'value'>[];
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

/** The taxes of the lines, one for each behavior. */
function totalTaxes(taxes: readonly LineTax[]): LineTax[] {
  const totals = new Map<string, LineTax>();
  for (const tax of taxes) {
    const { amount, taxable_amount: taxable } = totals.get(tax.tax_behavior) ?? {
      amount: 0,
      taxable_amount: 0,
    };
    totals.set(tax.tax_behavior, {
      ...tax,
      amount: amount + tax.amount,
      taxable_amount: (taxable ?? 0) + (tax.taxable_amount ?? 0),
    });
  }
  return [...totals.values()];
}

const sumOf = (taxes: readonly LineTax[], behavior: string): number =>
  taxes.reduce((sum, tax) => (tax.tax_behavior === behavior ? sum + tax.amount : sum), 0);

/**
 * What an invoice charges. A remainder that cannot be charged in the currency goes to the customer's balance, like what
 * the balance does not cover (docs.stripe.com/currencies#special-cases).
 */
function settle(total: number, { balance }: CustomerBody, currency: string) {
  const afterBalance = total + balance;
  const step = chargeStep(currency);
  const due = Math.max(0, Math.round(afterBalance / step) * step);
  return { due, endingBalance: afterBalance - due };
}

/** @returns an invoice that waits for its payment; the customer's balance is set off against its total */
export function buildInvoice(id: string, terms: InvoiceTerms, nowS: number): InvoiceBody {
  const { customer, subscription, currency, lines, period, tax } = terms;
  const taxes = totalTaxes(tax?.byLine ?? []);
  const subtotal = lines.reduce((sum, { amountCents }) => sum + amountCents, 0);
  const reduced = terms.discounts.reduce((sum, { amountCents }) => sum - amountCents, subtotal);
  const total = reduced + sumOf(taxes, 'exclusive');
  const { due, endingBalance } = settle(total, customer, currency);
  const isTaxed = tax?.status === 'complete';
  const settings = subscription.invoice_settings;
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
    automatic_tax: {
      disabled_reason: tax && !isTaxed ? 'finalization_requires_location_inputs' : null,
      enabled: isTaxed,
      liability: isTaxed ? { type: 'self' } : null,
      provider: isTaxed ? 'stripe' : null,
      status: tax?.status ?? null,
    },
    automatically_finalizes_at: null,
    billing_reason: terms.reason,
    collection_method: subscription.daysUntilDue === null ? 'charge_automatically' : 'send_invoice',
    created: nowS,
    currency,
    custom_fields: settings.custom_fields ?? customer.invoice_settings.custom_fields,
    customer: customer.id,
    customer_account: null,
    customer_address: customer.address ?? null,
    customer_email: customer.email,
    customer_name: customer.name ?? null,
    customer_phone: customer.phone ?? null,
    customer_shipping: null,
    customer_tax_exempt: customer.tax_exempt ?? 'none',
    customer_tax_ids: terms.taxIds,
    default_payment_method: subscription.default_payment_method,
    default_source: null,
    default_tax_rates: [],
    description: settings.description,
    discounts: terms.discounts.map(({ id: discount }) => discount),
    due_date: subscription.daysUntilDue === null ? null : nowS + subscription.daysUntilDue * DAY_S,
    effective_at: nowS,
    ending_balance: endingBalance,
    footer: settings.footer ?? customer.invoice_settings.footer,
    from_invoice: null,
    hosted_invoice_url: page,
    invoice_pdf: `${page}/pdf`,
    issuer: { type: 'self' },
    last_finalization_error: null,
    latest_revision: null,
    lines: {
      object: 'list',
      data: lines.map((line, index) => buildLine(id, line, tax?.byLine[index])),
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
    subtotal_excluding_tax: subtotal - sumOf(taxes, 'inclusive'),
    test_clock: null,
    total,
    total_discount_amounts: terms.discounts.map(({ id: discount, amountCents: amount }) => ({
      amount,
      discount,
    })),
    total_excluding_tax: reduced - sumOf(taxes, 'inclusive'),
    total_pretax_credit_amounts: [],
    total_taxes: taxes,
    webhooks_delivered_at: nowS,
  };
}
