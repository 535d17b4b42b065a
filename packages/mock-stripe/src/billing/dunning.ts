import { changedFields } from '../events.js';
import { customers } from '../objects/customer.js';
import { invoices, type StoredInvoice } from '../objects/invoice.js';
import { type StoredSubscription, subscriptions } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import { idOf } from '../wire.js';
import { cancelNow } from './cancellation.js';
import { type Charged, collectAgain, emitPaymentOutcome, finalize } from './invoicing.js';

const DAY_S = 86_400;
/** Days between one failed try and the next, as in Stripe's usual schedule; after the last the subscription ends. */
const RETRY_DAYS = [3, 5, 7];

/**
 * Records how the first attempt to collect the latest invoice ended: if it was declined, the subscription is past due and has a time
 * for the next try; paid, it is no longer behind.
 */
export async function noteOutcome(
  { tx, nowS }: Change,
  { body, hidden }: StoredSubscription,
  { invoice, paid }: Charged,
): Promise<void> {
  // Nobody is behind with an invoice that is not to be paid, nor pays an earlier one with it.
  if (invoice.body.status !== 'open' && invoice.body.status !== 'paid') return;
  if (paid) {
    if (body.status === 'past_due') body.status = 'active';
    hidden.retries = 0;
    hidden.retryAtS = null;
    return;
  }
  if (invoice.body.collection_method === 'send_invoice') {
    hidden.retryAtS = invoice.body.due_date;
    return;
  }
  if (body.status !== 'past_due') {
    body.status = 'past_due';
    hidden.retries = 0;
    hidden.retryAtS = nowS + (RETRY_DAYS[0] ?? 0) * DAY_S;
  }
  invoice.body.next_payment_attempt = hidden.retryAtS;
  await tx.save(invoices, invoice);
}

/** An hour after its making a draft is collected; what has ended meanwhile ends no other way for it. */
export async function finalizeDraft(change: Change, invoice: StoredInvoice): Promise<void> {
  const { tx, emit } = change;
  const id = idOf(invoice.body.parent?.subscription_details?.subscription) ?? '';
  const stored = await tx.get(subscriptions, id, 'subscription');
  if (!(await tx.find(customers, idOf(invoice.body.customer) ?? ''))) {
    invoice.hidden = null;
    invoice.body.status = 'void';
    return tx.save(invoices, invoice);
  }
  const before = structuredClone(stored.body);
  const charged = await finalize(change, invoice, stored);
  if (stored.body.ended_at === null && stored.body.latest_invoice === invoice._id) {
    await noteOutcome(change, stored, charged);
  }
  await tx.save(subscriptions, stored);
  const changed = changedFields(before, stored.body);
  if (Object.keys(changed).length > 0) await emit('customer.subscription.updated', stored.body, changed);
  await emitPaymentOutcome(change, invoice);
}

/** The day by which a sent invoice was to be paid has come. */
async function overdue({ tx, emit }: Change, stored: StoredSubscription): Promise<void> {
  const { body, hidden } = stored;
  const { status } = body;
  const invoice = await tx.get(invoices, idOf(body.latest_invoice) ?? '', 'latest_invoice');
  hidden.retryAtS = null;
  if (invoice.body.status === 'open') body.status = 'past_due';
  await tx.save(subscriptions, stored);
  if (body.status === status) return;
  await emit('customer.subscription.updated', body, { status });
  await emit('invoice.overdue', invoice.body);
}

/** Retries the latest invoice. Once it is paid, the subscription is active again; after the last attempt it ends. */
export async function retryPayment(change: Change, stored: StoredSubscription): Promise<void> {
  const { tx, nowS, emit } = change;
  const { body, hidden } = stored;
  if (body.collection_method === 'send_invoice') return overdue(change, stored);
  const before = structuredClone(body);
  const invoice = await tx.get(invoices, idOf(body.latest_invoice) ?? '', 'latest_invoice');
  if (invoice.hidden) {
    // The next period's, which is not to be paid yet.
    hidden.retryAtS = invoice.hidden.finalizesAtS + 1;
    await tx.save(subscriptions, stored);
    return;
  }
  if (invoice.body.status !== 'open') {
    // A pause has left the latest one uncollected, so nothing is retried.
    hidden.retryAtS = null;
    await tx.save(subscriptions, stored);
    return;
  }
  if (await collectAgain(change, invoice, stored)) {
    await recover(change, stored);
    await emitPaymentOutcome(change, invoice);
    return;
  }
  hidden.retries += 1;
  const days = RETRY_DAYS[hidden.retries];
  hidden.retryAtS = days === undefined ? null : nowS + days * DAY_S;
  invoice.body.next_payment_attempt = hidden.retryAtS;
  await tx.save(invoices, invoice);
  await emitPaymentOutcome(change, invoice);
  if (days === undefined) {
    const customer = await tx.get(customers, idOf(body.customer) ?? '', 'customer');
    if (customer.body.metadata.mock_dunning !== 'unpaid') return cancelNow(change, stored, 'payment_failed');
    body.status = 'unpaid';
  }
  await tx.save(subscriptions, stored);
  const changed = changedFields(before, body);
  if (Object.keys(changed).length > 0) await emit('customer.subscription.updated', body, changed);
}

/** Takes a subscription whose payment has arrived back into use. */
export async function recover({ tx, emit }: Change, stored: StoredSubscription): Promise<void> {
  const before = structuredClone(stored.body);
  stored.body.status = 'active';
  stored.hidden.retries = 0;
  stored.hidden.retryAtS = null;
  await tx.save(subscriptions, stored);
  await emit('customer.subscription.updated', stored.body, changedFields(before, stored.body));
}
