import { invalidRequest } from '../http/errors.js';
import { mockId } from '../ids.js';
import { customers, type StoredCustomer } from '../objects/customer.js';
import {
  buildInvoice,
  type InvoiceTerms,
  invoices,
  type LineTerms,
  type StoredInvoice,
} from '../objects/invoice.js';
import { paymentMethods } from '../objects/paymentMethod.js';
import { products } from '../objects/product.js';
import type { Period, StoredSubscription } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import type { Tx } from '../storage/store.js';
import { idOf, type PriceBody, type SubscriptionBody } from '../wire.js';
import { discountsOn, useUp } from './discounts.js';

export type Funds = 'good' | 'declined' | 'none';

/** What a charge to the subscription's customer would meet. */
export async function fundsOf(
  tx: Tx,
  customer: StoredCustomer,
  { body }: StoredSubscription,
): Promise<Funds> {
  const chosen =
    idOf(body.default_payment_method) ?? idOf(customer.body.invoice_settings.default_payment_method);
  if (customer.body.metadata.mock_card === 'decline') return 'declined';
  if (!chosen) return 'none';
  const method = await tx.find(paymentMethods, chosen);
  // A card that was taken away from the customer pays no more.
  return method?.body.customer && !method.hidden.fails ? 'good' : 'declined';
}

/** The invoice's lines for one period of every item, and those that waited for it. */
export async function periodLines(
  tx: Tx,
  { body, hidden }: StoredSubscription,
  period: Period,
): Promise<LineTerms[]> {
  const waiting = hidden.pending.map((line) => ({
    ...line,
    subscription: body.id,
    unitAmount: null,
    quantity: 1,
    currency: body.currency,
    proration: true,
  }));
  const trial = body.status === 'trialing';
  const lines: LineTerms[] = [];
  for (const { id, price, quantity = 1 } of body.items.data) {
    const amountCents = trial ? 0 : (price.unit_amount ?? 0) * quantity;
    const name = await productName(tx, price);
    lines.push({
      itemId: id,
      subscription: body.id,
      price: price.id,
      product: idOf(price.product) ?? '',
      amountCents,
      unitAmount: trial ? '0' : price.unit_amount_decimal,
      quantity,
      currency: price.currency,
      description: trial ? `Trial period for ${name}` : `${quantity} × ${name} (at ${rate(price)})`,
      proration: false,
      fromS: period.start,
      untilS: period.end,
    });
  }
  return [...waiting, ...lines];
}

export async function productName(tx: Tx, price: PriceBody): Promise<string> {
  return (await tx.find(products, idOf(price.product) ?? ''))?.body.name ?? 'Product';
}

/** @returns for instance `$29.00 / month` */
export function rate(price: PriceBody): string {
  return `${money(price.unit_amount ?? 0, price.currency)} / ${price.recurring?.interval ?? 'once'}`;
}

export function money(cents: number, currency: string): string {
  const format = new Intl.NumberFormat('en-US', { style: 'currency', currency: currency.toUpperCase() });
  return format.format(cents / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

export interface Charged {
  invoice: StoredInvoice;
  paid: boolean;
}

/**
 * Writes an invoice and tries to collect it. Says nothing yet: see `announcePayment`.
 * @returns whether it is paid; what costs nothing always is
 */
export async function charge(
  change: Change,
  subscription: StoredSubscription,
  terms: Pick<InvoiceTerms, 'reason' | 'lines' | 'period'>,
): Promise<Charged> {
  const { tx, nowS } = change;
  const { body } = subscription;
  const discounts = await discountsOn(tx, body, terms.lines, nowS);
  const customer = await tx.get(customers, idOf(body.customer) ?? '', 'customer');
  const invoice = buildInvoice(
    mockId(invoices.prefix),
    { ...terms, discounts, customer: customer.body, subscription: payerOf(body), currency: body.currency },
    nowS,
  );
  const stored = await tx.insert(invoices, invoice.id, invoice, null);
  customer.body.balance = invoice.ending_balance ?? 0;
  customer.body.currency ??= body.currency;
  customer.body.next_invoice_sequence = (customer.body.next_invoice_sequence ?? 1) + 1;
  await tx.save(customers, customer);
  body.latest_invoice = invoice.id;
  await useUp(change, body, discounts);
  return { invoice: stored, paid: await collect(tx, stored, customer, subscription, nowS) };
}

export function payerOf(body: SubscriptionBody): InvoiceTerms['subscription'] {
  return {
    id: body.id,
    metadata: body.metadata,
    default_payment_method: idOf(body.default_payment_method),
    daysUntilDue: body.collection_method === 'send_invoice' ? body.days_until_due : null,
  };
}

async function collect(
  tx: Tx,
  invoice: StoredInvoice,
  customer: StoredCustomer,
  subscription: StoredSubscription,
  nowS: number,
  outOfBand = false,
): Promise<boolean> {
  const { body } = invoice;
  const free = body.amount_due === 0;
  // What is sent is paid by whoever gets it.
  if (body.collection_method === 'send_invoice' && !free && !outOfBand) {
    await tx.save(invoices, invoice);
    return false;
  }
  const paid = free || outOfBand || (await fundsOf(tx, customer, subscription)) === 'good';
  body.attempted = true;
  if (!free) body.attempt_count += 1;
  if (paid) {
    body.status = 'paid';
    body.amount_paid = body.amount_due;
    body.amount_remaining = 0;
    body.next_payment_attempt = null;
    body.status_transitions.paid_at = nowS;
  }
  await tx.save(invoices, invoice);
  return paid;
}

/**
 * Tries an open invoice once more.
 * @param outOfBand it was paid in another way, such as by a transfer
 */
export async function collectAgain(
  { tx, nowS }: Change,
  invoice: StoredInvoice,
  subscription: StoredSubscription,
  outOfBand = false,
): Promise<boolean> {
  if (invoice.body.status !== 'open')
    throw invalidRequest('Invoice is already paid or closed.', { param: 'id' });
  const customer = await tx.get(customers, idOf(invoice.body.customer) ?? '', 'customer');
  return collect(tx, invoice, customer, subscription, nowS, outOfBand);
}

/** Tells how the last try to collect an invoice ended. */
export async function announcePayment({ emit }: Change, { body }: StoredInvoice): Promise<void> {
  if (body.status !== 'paid' && !body.attempted) {
    await emit('invoice.sent', body);
    return;
  }
  if (body.status !== 'paid') {
    await emit('invoice.payment_failed', body);
    return;
  }
  await emit('invoice.payment_succeeded', body);
  await emit('invoice.paid', body);
}
