import { invalidRequest } from '../http/errors.js';
import { mockId } from '../ids.js';
import { customers, type StoredCustomer } from '../objects/customer.js';
import {
  asDraft,
  buildInvoice,
  type Draft,
  type InvoiceTerms,
  invoices,
  type LineTerms,
  type StoredInvoice,
  type UsageSpan,
} from '../objects/invoice.js';
import { paymentMethods } from '../objects/paymentMethod.js';
import { centsFor, isMetered, priceIn } from '../objects/price.js';
import type { StoredSubscription } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import type { Tx } from '../storage/store.js';
import { type InvoiceBody, idOf, type SubscriptionBody, type SubscriptionItemBody } from '../wire.js';
import { discountsOn, useUp } from './discounts.js';
import { productName, rate } from './lineText.js';
import { taxIdsOf, taxOn } from './tax.js';
import { usageLines } from './usage.js';

/** As long as Stripe leaves a renewal's invoice a draft. */
const OPEN_TO_USAGE_S = 3_600;

/** What a customer's metadata may say of its card. */
const NEEDS_CONFIRMATION = 'authenticate';
const FAILING_CARDS = ['decline', NEEDS_CONFIRMATION];

export type Funds = 'good' | 'declined' | 'none';

/** What a charge to the subscription's customer would meet. */
export async function fundsOf(
  tx: Tx,
  customer: StoredCustomer,
  { body }: StoredSubscription,
): Promise<Funds> {
  const chosen =
    idOf(body.default_payment_method) ?? idOf(customer.body.invoice_settings.default_payment_method);
  if (FAILING_CARDS.includes(customer.body.metadata.mock_card ?? '')) return 'declined';
  if (!chosen) return 'none';
  const method = await tx.find(paymentMethods, chosen);
  // A detached card cannot pay.
  return method?.body.customer && !method.hidden.fails ? 'good' : 'declined';
}

/** The lines that wait for the next invoice. */
export const waitingLines = ({ body, hidden }: StoredSubscription): LineTerms[] =>
  hidden.pending.map(({ usage, ...line }) => ({
    ...line,
    ...(usage ?? { unitAmount: null, quantity: 1 }),
    subscription: body.id,
    currency: body.currency,
    proration: !usage,
  }));

/** The invoice's lines for the period of each of the items that is paid in advance, and those that waited for it. */
export async function periodLines(
  tx: Tx,
  stored: StoredSubscription,
  items: readonly SubscriptionItemBody[],
): Promise<LineTerms[]> {
  const { body } = stored;
  const trial = body.status === 'trialing';
  const lines: LineTerms[] = [];
  for (const { id, price: listed, quantity = 1, current_period_start, current_period_end } of items) {
    if (isMetered(listed)) continue;
    const price = priceIn(listed, body.currency);
    const amountCents = trial ? 0 : centsFor(price, quantity);
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
      fromS: current_period_start,
      untilS: current_period_end,
    });
  }
  return [...waitingLines(stored), ...lines];
}

export interface Charged {
  invoice: StoredInvoice;
  /** A draft is not, yet. */
  paid: boolean;
}

type ChargeTerms = Draft['terms'];

/**
 * Writes an invoice and tries to collect it. It emits no event: see `emitPaymentOutcome`.
 * @returns whether it is paid; what costs nothing always is
 */
export async function charge(
  change: Change,
  subscription: StoredSubscription,
  terms: ChargeTerms,
): Promise<Charged> {
  const { tx, nowS, emit } = change;
  const { pause_collection: pause } = subscription.body;
  const written = await write(change, subscription, terms, mockId(invoices.prefix));
  const stored = await tx.insert(invoices, written.body.id, written.body, null);
  if (pause?.behavior !== 'keep_as_draft') await emit('invoice.finalized', stored.body);
  subscription.body.latest_invoice = stored._id;
  if (!pause || stored.body.amount_due === 0)
    return { invoice: stored, paid: await collect(tx, stored, written.customer, subscription, nowS) };
  stored.body = uncollected(stored.body, pause, nowS);
  await tx.save(invoices, stored);
  return { invoice: stored, paid: false };
}

/** Writes an invoice that stays open to late usage, and is finalized and collected an hour later. */
export async function draft(
  change: Change,
  subscription: StoredSubscription,
  terms: ChargeTerms,
  spans: UsageSpan[],
): Promise<Charged> {
  const { tx, nowS } = change;
  const { body } = subscription;
  const lines = [...terms.lines, ...(await usageLines(tx, subscription, spans))];
  const customer = await tx.get(customers, idOf(body.customer) ?? '', 'customer');
  const whole = await wholeTerms(change, body, customer, { ...terms, lines }, nowS);
  const invoice = buildInvoice(mockId(invoices.prefix), whole, nowS);
  const finalizesAtS = nowS + OPEN_TO_USAGE_S;
  const stored = await tx.insert(
    invoices,
    invoice.id,
    { ...asDraft(invoice), automatically_finalizes_at: finalizesAtS },
    { finalizesAtS, terms, spans },
  );
  body.latest_invoice = invoice.id;
  return { invoice: stored, paid: false };
}

/** The draft's hour is over: usage is counted for the last time, and the invoice collected. */
export async function finalize(
  change: Change,
  stored: StoredInvoice,
  subscription: StoredSubscription,
): Promise<Charged> {
  const { tx, nowS, emit } = change;
  const { body: before, hidden } = stored;
  if (!hidden) throw new Error(`${before.id} is final already`);
  const lines = [...hidden.terms.lines, ...(await usageLines(tx, subscription, hidden.spans))];
  const written = await write(change, subscription, { ...hidden.terms, lines }, before.id);
  stored.body = { ...written.body, created: before.created };
  stored.hidden = null;
  await emit('invoice.finalized', stored.body);
  return { invoice: stored, paid: await collect(tx, stored, written.customer, subscription, nowS) };
}

/** Gives an invoice its number, and takes the customer's balance and discounts that it uses up. */
async function write(
  change: Change,
  { body }: StoredSubscription,
  terms: ChargeTerms,
  id: string,
): Promise<{ body: InvoiceBody; customer: StoredCustomer }> {
  const { tx, nowS } = change;
  const customer = await tx.get(customers, idOf(body.customer) ?? '', 'customer');
  const whole = await wholeTerms(change, body, customer, terms, nowS);
  // A voided invoice and a draft use nothing of the customer's credit.
  const keepsCredit =
    body.pause_collection != null && body.pause_collection.behavior !== 'mark_uncollectible';
  const payer = keepsCredit ? { ...customer.body, balance: 0 } : customer.body;
  const invoice = buildInvoice(id, { ...whole, customer: payer }, nowS);
  // As Stripe does, for this invoice and those to come.
  if (whole.tax?.status === 'requires_location_inputs')
    body.automatic_tax = { disabled_reason: 'requires_location_inputs', enabled: false, liability: null };
  if (!keepsCredit) customer.body.balance = invoice.ending_balance ?? 0;
  customer.body.currency ??= body.currency;
  customer.body.next_invoice_sequence = (customer.body.next_invoice_sequence ?? 1) + 1;
  await tx.save(customers, customer);
  await useUp(change, body, whole.discounts);
  return { body: invoice, customer };
}

/** @param atS by when discounts that have ended count no more */
export async function wholeTerms<Terms extends Pick<InvoiceTerms, 'reason' | 'lines' | 'period'>>(
  change: Change,
  body: SubscriptionBody,
  customer: StoredCustomer,
  terms: Terms,
  atS: number,
): Promise<Terms & InvoiceTerms> {
  const { tx } = change;
  const discounts = await discountsOn(tx, body, terms.lines, atS);
  return {
    ...terms,
    discounts,
    tax: await taxOn(change, body, customer.body, terms.lines, discounts),
    taxIds: await taxIdsOf(tx, customer._id),
    customer: customer.body,
    subscription: payerOf(body),
    currency: body.currency,
  };
}

function payerOf(body: SubscriptionBody): InvoiceTerms['subscription'] {
  return {
    id: body.id,
    metadata: body.metadata,
    default_payment_method: idOf(body.default_payment_method),
    daysUntilDue: body.collection_method === 'send_invoice' ? body.days_until_due : null,
    invoice_settings: body.invoice_settings,
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
  // An invoice that is sent is paid outside the mock.
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

/** While collection is paused, nobody pays a new invoice. */
function uncollected(
  body: InvoiceBody,
  { behavior }: NonNullable<SubscriptionBody['pause_collection']>,
  nowS: number,
): InvoiceBody {
  if (behavior === 'keep_as_draft') return { ...asDraft(body), auto_advance: false };
  const { status_transitions: at } = body;
  return behavior === 'void'
    ? { ...body, status: 'void', status_transitions: { ...at, voided_at: nowS } }
    : {
        ...body,
        status: 'uncollectible',
        status_transitions: { ...at, marked_uncollectible_at: nowS },
      };
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

/** Emits the events of how the last attempt to collect an invoice ended. */
export async function emitPaymentOutcome({ tx, emit }: Change, { body }: StoredInvoice): Promise<void> {
  if (body.status === 'draft') return;
  if (body.status === 'void') return emit('invoice.voided', body);
  if (body.status === 'uncollectible') return emit('invoice.marked_uncollectible', body);
  if (body.status !== 'paid' && !body.attempted) {
    await emit('invoice.sent', body);
    return;
  }
  if (body.status !== 'paid') {
    await emit('invoice.payment_failed', body);
    const payer = await tx.find(customers, idOf(body.customer) ?? '');
    if (payer?.body.metadata.mock_card === NEEDS_CONFIRMATION)
      await emit('invoice.payment_action_required', body);
    return;
  }
  await emit('invoice.payment_succeeded', body);
  await emit('invoice.paid', body);
}
