import { cardDeclined, invalidRequest } from '../http/errors.js';
import { mockId } from '../ids.js';
import { customers } from '../objects/customer.js';
import type { StoredInvoice } from '../objects/invoice.js';
import { priceIn } from '../objects/price.js';
import {
  buildItem,
  buildSubscription,
  type ItemTerms,
  noticeOf,
  periodFrom,
  periodOf,
  type StoredSubscription,
  type SubscriptionTerms,
  subscriptions,
} from '../objects/subscription.js';
import type { Change } from '../operation.js';
import type { PriceBody } from '../wire.js';
import { type DiscountTerms, setDiscounts } from './discounts.js';
import { type Ending, planEnding } from './ending.js';
import { charge, emitPaymentOutcome, fundsOf, periodLines } from './invoicing.js';
import { sayTrialEnds } from './renewal.js';

export interface StartTerms extends Omit<SubscriptionTerms, 'currency'> {
  /** Default: the customer's, otherwise the price's. */
  currency?: string | undefined;
  items: ItemTerms[];
  /** What to do about a first payment that fails. */
  onFailure: 'allow_incomplete' | 'default_incomplete' | 'error_if_incomplete';
  ending?: Ending;
  discounts?: readonly DiscountTerms[] | undefined;
}

/**
 * Starts a subscription with its first invoice; a trial's costs nothing.
 * @throws MockStripeError when there is nothing to charge, or the charge fails and that is to be an error
 */
export async function startSubscription(
  change: Change,
  terms: StartTerms,
): Promise<{ subscription: StoredSubscription; invoice: StoredInvoice }> {
  const { tx, nowS, emit } = change;
  const price = terms.items[0]?.price;
  if (!price) throw invalidRequest('A subscription needs at least one item.', { param: 'items' });
  const currency = await currencyFor(change, terms, price);
  for (const item of terms.items) priceIn(item.price, currency);
  const body = buildSubscription(mockId(subscriptions.prefix), { ...terms, currency }, nowS);
  const periodOfItem = ({ price }: ItemTerms) =>
    terms.trialEndS
      ? { start: nowS, end: terms.trialEndS }
      : periodFrom(nowS, body.billing_cycle_anchor, price);
  body.items.data = terms.items.map((item) => buildItem(body.id, item, periodOfItem(item), nowS));
  const period = periodOf(body);
  planEnding(body, terms.ending ?? {}, nowS);
  const hidden = { retries: 0, retryAtS: null, pending: [] };
  const subscription = await tx.insert(subscriptions, body.id, body, hidden);

  await setDiscounts(change, subscription, terms.discounts ?? []);
  const lines = await periodLines(tx, subscription, body.items.data);
  await requireFunds(
    change,
    subscription,
    terms,
    lines.reduce((sum, line) => sum + line.amountCents, 0),
  );
  const { invoice, paid } = await charge(change, subscription, {
    reason: 'subscription_create',
    lines,
    period,
  });
  const sent = body.collection_method === 'send_invoice';
  if (sent && !paid) subscription.hidden.retryAtS = invoice.body.due_date;
  if (!paid && !sent && terms.onFailure === 'error_if_incomplete') throw cardDeclined();
  if ((paid || sent) && body.status === 'incomplete') body.status = 'active';
  await tx.save(subscriptions, subscription);
  await emit('customer.subscription.created', body);
  if ((noticeOf(body) ?? nowS + 1) <= nowS) await sayTrialEnds(change, subscription);
  await emitPaymentOutcome(change, invoice);
  return { subscription, invoice };
}

/** @throws MockStripeError for another currency than the customer's, which its first invoice fixes */
async function currencyFor(
  { tx }: Change,
  { customer, currency: asked }: StartTerms,
  price: PriceBody,
): Promise<string> {
  const { currency: own } = (await tx.get(customers, customer, 'customer')).body;
  const currency = asked ?? own ?? price.currency;
  if (!own || own === currency) return currency;
  throw invalidRequest(
    `You cannot combine currencies on a single customer. This customer has had a subscription, coupon, or invoice item with currency ${own}`,
    { param: 'currency' },
  );
}

async function requireFunds(
  { tx }: Change,
  subscription: StoredSubscription,
  { customer, onFailure, daysUntilDue }: StartTerms,
  totalCents: number,
): Promise<void> {
  if (totalCents === 0 || daysUntilDue !== null || onFailure === 'default_incomplete') return;
  const payer = await tx.get(customers, customer, 'customer');
  if ((await fundsOf(tx, payer, subscription)) !== 'none') return;
  throw invalidRequest('This customer has no attached payment source or default payment method.', {
    code: 'resource_missing',
  });
}
