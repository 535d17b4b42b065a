import { changedFields } from '../events.js';
import { cardDeclined, invalidRequest } from '../http/errors.js';
import { customers } from '../objects/customer.js';
import { invoices } from '../objects/invoice.js';
import { paymentMethods } from '../objects/paymentMethod.js';
import { portalSessions } from '../objects/portalSession.js';
import { isMetered, isSoldIn, priceIn, prices } from '../objects/price.js';
import { schedules } from '../objects/schedule.js';
import { type StoredSubscription, subscriptions } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import type { Tx } from '../storage/store.js';
import {
  type CustomerBody,
  type InvoiceBody,
  idOf,
  type PaymentMethodBody,
  type PriceBody,
  type SubscriptionBody,
  type SubscriptionItemBody,
} from '../wire.js';
import { attachCard } from './cards.js';
import { recover } from './dunning.js';
import { collectAgain, emitPaymentOutcome } from './invoicing.js';
import { productName } from './lineText.js';
import { releaseSchedule } from './phases.js';
import { updateSubscription } from './update.js';

const MAX_SHOWN = 20;
const ENDED = ['canceled', 'incomplete_expired'];

/** What a person finds at the portal. */
export interface PortalView {
  sessionId: string;
  returnUrl: string | null;
  /** Nothing but the card can be changed. */
  cardOnly: boolean;
  customer: CustomerBody;
  subscription: SubscriptionBody | null;
  /** What is bought. */
  plan: string | null;
  /** Other prices for sale, as they are in the subscription's currency. */
  plans: { price: PriceBody; name: string }[];
  card: PaymentMethodBody | null;
  /** The latest invoice, where it waits for its payment. */
  due: InvoiceBody | null;
}

/** What a person may do there. */
export type PortalAction =
  | { kind: 'cancel' | 'resume' | 'pay' }
  | { kind: 'switch'; price: string }
  | { kind: 'card'; card: string };

/** The part that is paid in advance. */
export const planItemOf = ({ items }: SubscriptionBody): SubscriptionItemBody | undefined =>
  items.data.find(({ price }) => !isMetered(price));

/** As Stripe's portal, which lets nobody change a subscription of several products. */
const isSwitchable = (body: SubscriptionBody | null): boolean => (body?.items.data.length ?? 0) < 2;

/** @returns null without such a session */
export async function viewPortal(tx: Tx, sessionId: string): Promise<PortalView | null> {
  const session = await tx.find(portalSessions, sessionId);
  const customer = session && (await tx.find(customers, session.body.customer));
  if (!session || !customer) return null;
  const held = await subscriptionOf(tx, customer.body.id);
  const body = held?.body ?? null;
  const price = body && planItemOf(body)?.price;
  const cardId =
    idOf(body?.default_payment_method) ?? idOf(customer.body.invoice_settings.default_payment_method);
  const latest = body && (await tx.find(invoices, idOf(body.latest_invoice) ?? ''));
  const forSale = (await tx.list(prices, { 'refs.active': true, hidden: null }, MAX_SHOWN)).filter(
    ({ body: other }) => other.recurring && !isMetered(other) && other.unit_amount && other.id !== price?.id,
  );
  const currency = body?.currency;
  return {
    sessionId,
    returnUrl: session.body.return_url,
    cardOnly: session.body.flow !== null,
    customer: customer.body,
    subscription: body,
    plan: price ? await productName(tx, price) : null,
    plans: isSwitchable(body)
      ? await Promise.all(
          forSale
            .filter(({ body: other }) => !currency || isSoldIn(other, currency))
            .map(async ({ body: other }) => ({
              price: currency ? priceIn(other, currency) : other,
              name: await productName(tx, other),
            })),
        )
      : [],
    card: (cardId ? (await tx.find(paymentMethods, cardId))?.body : null) ?? null,
    due: latest?.body.status === 'open' ? latest.body : null,
  };
}

async function subscriptionOf(tx: Tx, customer: string): Promise<StoredSubscription | null> {
  const filter = { 'refs.customer': customer, 'refs.status': { $nin: ENDED } };
  const [found] = await tx.list(subscriptions, filter, 1);
  return found ?? null;
}

/**
 * Does what the person asks for.
 * @throws MockStripeError for an unknown session, without a subscription, for a card that is declined
 */
export async function actAtPortal(change: Change, sessionId: string, action: PortalAction): Promise<void> {
  const { tx } = change;
  const session = await tx.get(portalSessions, sessionId);
  if (action.kind === 'card') return replaceCard(change, session.body.customer, action.card);
  if (session.body.flow) throw invalidRequest('This page is for another card only.');
  const held = await subscriptionOf(tx, session.body.customer);
  if (!held) throw invalidRequest('There is no subscription.');
  switch (action.kind) {
    case 'cancel':
      // Under flexible billing the portal names the date, and leaves cancel_at_period_end false.
      return updateSubscription(change, await released(change, held), { cancel_at: 'min_period_end' });
    case 'resume':
      return updateSubscription(change, await released(change, held), { cancel_at: '' });
    case 'switch':
      if (!isSwitchable(held.body))
        throw invalidRequest('A subscription with several items cannot be changed here.');
      return updateSubscription(change, await released(change, held), {
        items: [{ id: planItemOf(held.body)?.id, price: action.price }],
        proration_behavior: 'always_invoice',
        payment_behavior: 'error_if_incomplete',
      });
    case 'pay':
      return payLatest(change, held);
  }
}

async function released(change: Change, held: StoredSubscription): Promise<StoredSubscription> {
  const schedule = idOf(held.body.schedule);
  if (!schedule) return held;
  await releaseSchedule(change, await change.tx.get(schedules, schedule));
  return change.tx.get(subscriptions, held.body.id);
}

async function payLatest(change: Change, held: StoredSubscription): Promise<void> {
  const invoice = await change.tx.get(invoices, idOf(held.body.latest_invoice) ?? '');
  if (!(await collectAgain(change, invoice, held))) throw cardDeclined();
  if (held.body.status !== 'active') await recover(change, held);
  await emitPaymentOutcome(change, invoice);
}

/** The new card pays for everything from now on. */
async function replaceCard(change: Change, customerId: string, card: string): Promise<void> {
  const { tx, emit } = change;
  const customer = await tx.get(customers, customerId);
  const before = structuredClone(customer.body);
  const method = await attachCard(change, customer.body, card, 'card');
  customer.body.invoice_settings.default_payment_method = method;
  delete customer.body.metadata.mock_card;
  await tx.save(customers, customer);
  await emit('customer.updated', customer.body, changedFields(before, customer.body));
  const held = await subscriptionOf(tx, customerId);
  if (held) await updateSubscription(change, held, { default_payment_method: method });
}
