import { changedFields } from '../events.js';
import { invalidRequest } from '../http/errors.js';
import { checkoutSessions, detailsOf, lineItemList, type StoredSession } from '../objects/checkoutSession.js';
import { customers, type StoredCustomer } from '../objects/customer.js';
import type { ItemTerms } from '../objects/subscription.js';
import { buildTaxId, taxIds as taxIdKind, taxIdTypeIn } from '../objects/taxId.js';
import type { Change } from '../operation.js';
import { type InvoiceBody, idOf, type SessionBody } from '../wire.js';
import { attachCard } from './cards.js';
import { type AddressTerms, addressOf, createCustomer } from './customers.js';
import { type DiscountTerms, findByCode } from './discounts.js';
import { startSubscription } from './start.js';
import { isLocated } from './tax.js';

const DAY_S = 86_400;

/** @returns the session as a person at the page needs it, with what is bought */
export function withLineItems(stored: StoredSession): SessionBody {
  return { ...stored.body, line_items: lineItemList(stored) };
}

/** What a person enters at the page. */
export interface BuyerDetails {
  /** Default, where one is asked for and the customer has none: in San Francisco. */
  address?: AddressTerms | undefined;
  /** Of the person or the business. */
  name?: string | undefined;
  /** The number under which a tax authority knows the business. */
  taxId?: string | undefined;
}

const SOMEWHERE = {
  line1: '1 Market St',
  city: 'San Francisco',
  state: 'CA',
  postal_code: '94105',
  country: 'US',
};

/**
 * What happens when the person pays: a customer where there was none, a card, the subscription and its paid invoice.
 * Doing it again changes nothing.
 * @param code a promotion code that the person typed in
 * @returns where the person goes next
 * @throws MockStripeError for a session that is unknown or has expired
 */
export async function completeSession(
  change: Change,
  id: string,
  code: string | null,
  details: BuyerDetails,
): Promise<string> {
  const { tx, nowS, emit } = change;
  const stored = await tx.get(checkoutSessions, id);
  const { body, hidden } = stored;
  if (body.status === 'complete') return successUrlOf(change, body);
  requireOpen(body, nowS);
  const customer = await payer(change, body);
  const entered = await enter(change, stored, customer, details);
  const { subscription: terms } = hidden;
  const { subscription, invoice } = await startSubscription(change, {
    customer: customer.body.id,
    currency: body.currency ?? undefined,
    items: hidden.lineItems.flatMap(({ price, quantity }): ItemTerms[] =>
      price ? [{ price, quantity: quantity ?? 1, metadata: {} }] : [],
    ),
    metadata: terms.metadata,
    description: terms.description,
    paymentMethod: asksForCard(body)
      ? await attachCard(change, customer.body, 'pm_card_visa', 'payment_method')
      : null,
    trialEndS: terms.trialEndS ?? (terms.trialPeriodDays ? nowS + terms.trialPeriodDays * DAY_S : null),
    daysUntilDue: null,
    discounts: await discountsFor(change, stored, customer.body.id, code),
    missingPaymentMethod: terms.missingPaymentMethod,
    settings: terms.settings,
    onFailure: 'error_if_incomplete',
  });
  body.status = 'complete';
  body.payment_status = invoice.body.total === 0 ? 'no_payment_required' : 'paid';
  body.customer = customer.body.id;
  body.customer_details = detailsOf({ email: customer.body.email, ...entered });
  if (body.automatic_tax.enabled) body.automatic_tax.status = 'complete';
  body.subscription = subscription.body.id;
  body.invoice = invoice.body.id;
  body.amount_total = invoice.body.total;
  if (body.total_details) body.total_details.amount_tax = sumOfTaxes(invoice.body);
  body.url = null;
  await tx.save(checkoutSessions, stored);
  await emit('checkout.session.completed', body);
  return successUrlOf(change, body);
}

const sumOfTaxes = ({ total_taxes: taxes }: InvoiceBody): number =>
  (taxes ?? []).reduce((sum, { amount }) => sum + amount, 0);

/** Whether the page asks where the person is. */
export const asksForAddress = ({
  automatic_tax: tax,
  billing_address_collection: collection,
}: SessionBody): boolean => tax.enabled || collection === 'required';

/** Makes what was entered the customer's, as far as the session says so. @returns what the session shows of it */
async function enter(
  change: Change,
  { body, hidden }: StoredSession,
  customer: StoredCustomer,
  { address: given, name, taxId }: BuyerDetails,
): Promise<Partial<SessionBody['customer_details'] & object>> {
  const { tx, nowS, emit } = change;
  const known = isLocated(customer.body.address ?? null) ? customer.body.address : null;
  const asked = asksForAddress(body);
  const address = asked ? (given?.country ? addressOf(given) : (known ?? addressOf(SOMEWHERE))) : null;
  if (body.automatic_tax.enabled && !isLocated(address ?? null))
    throw invalidRequest('The address is not enough to compute tax; a postal code is missing.');
  const before = structuredClone(customer.body);
  if (address && hidden.saves.address) customer.body.address = address;
  if (name && hidden.saves.name) customer.body.name = name;
  const taxIds = body.tax_id_collection?.enabled && taxId ? [taxId] : [];
  const added = taxIds.map((value) => ({ type: taxIdTypeIn(address?.country ?? value.slice(0, 2)), value }));
  for (const terms of added) {
    const entry = buildTaxId(customer._id, terms, nowS);
    await tx.insert(taxIdKind, entry.id, entry, null);
    await emit('customer.tax_id.created', entry);
  }
  const changed = changedFields(before, customer.body);
  if (Object.keys(changed).length > 0) {
    await tx.save(customers, customer);
    await emit('customer.updated', customer.body, changed);
  }
  return { address, name: name ?? customer.body.name ?? null, tax_ids: added as never };
}

/** Where a card is asked for only if it is required, nothing that is due today means that none is. */
export const asksForCard = ({ payment_method_collection: collection, amount_total: due }: SessionBody) =>
  collection !== 'if_required' || due !== 0;

async function discountsFor(
  { tx, nowS }: Change,
  { body, hidden }: StoredSession,
  customer: string,
  code: string | null,
): Promise<DiscountTerms[]> {
  if (!code) return hidden.discounts;
  if (!body.allow_promotion_codes)
    throw invalidRequest('This checkout takes no codes.', { param: 'promotion_code' });
  return [{ promotion_code: await findByCode(tx, code, customer, nowS) }];
}

async function payer(
  change: Change,
  { customer, customer_email: email }: SessionBody,
): Promise<StoredCustomer> {
  const id = idOf(customer);
  return id
    ? change.tx.get(customers, id, 'customer')
    : createCustomer(change, { email: email ?? undefined });
}

/**
 * The person turns back: the session stays open.
 * @returns where the person goes next
 * @throws MockStripeError for a session that is unknown, has expired, or is complete
 */
export async function declineSession(change: Change, id: string): Promise<string> {
  const { body } = await change.tx.get(checkoutSessions, id);
  requireOpen(body, change.nowS);
  return body.cancel_url ?? change.publicUrl();
}

/** Ends an open session, by request or because its time is up. */
export async function expireSession({ tx, emit }: Change, stored: StoredSession): Promise<void> {
  stored.body.status = 'expired';
  stored.body.url = null;
  await tx.save(checkoutSessions, stored);
  await emit('checkout.session.expired', stored.body);
}

function requireOpen({ status, expires_at: expiresAt }: SessionBody, nowS: number): void {
  if (status === 'open' && expiresAt > nowS) return;
  const now = status === 'complete' ? 'complete' : 'expired';
  throw invalidRequest(`This Checkout Session is ${now}; only an open one can be paid or left.`, {
    param: 'id',
  });
}

function successUrlOf({ publicUrl }: Change, { id, success_url: url }: SessionBody): string {
  return (url ?? publicUrl()).replaceAll('{CHECKOUT_SESSION_ID}', id);
}
