import { changedFields } from '../events.js';
import { cardDeclined, invalidRequest } from '../http/errors.js';
import { type MetadataChange, mergeMetadata } from '../http/params.js';
import { customers } from '../objects/customer.js';
import type { StoredInvoice, UsageSpan } from '../objects/invoice.js';
import {
  type PendingLine,
  periodOf,
  type StoredSubscription,
  sameCycle,
  setPeriod,
  subscriptions,
} from '../objects/subscription.js';
import type { Change } from '../operation.js';
import { idOf, type SubscriptionBody } from '../wire.js';
import { attachCard } from './cards.js';
import { type DiscountTerms, setDiscounts } from './discounts.js';
import { noteOutcome } from './dunning.js';
import { type Ending, planEnding } from './ending.js';
import { type Charged, charge, emitPaymentOutcome, waitingLines } from './invoicing.js';
import { changeItems, type ItemChange } from './items.js';
import { beginPeriod } from './period.js';
import { endTrial } from './renewal.js';
import { spansOf } from './usage.js';

type PauseBehavior = NonNullable<SubscriptionBody['pause_collection']>['behavior'];

export interface SubscriptionUpdate extends Ending, CycleChange {
  items?: ItemChange[] | undefined;
  proration_behavior?: 'always_invoice' | 'create_prorations' | 'none' | undefined;
  proration_date?: number | undefined;
  payment_behavior?: 'allow_incomplete' | 'default_incomplete' | 'error_if_incomplete' | undefined;
  default_payment_method?: string | undefined;
  description?: string | undefined;
  discounts?: DiscountTerms[] | undefined;
  collection_method?: 'charge_automatically' | 'send_invoice' | undefined;
  days_until_due?: number | undefined;
  metadata?: MetadataChange;
  pause_collection?: '' | { behavior: PauseBehavior; resumes_at?: number | undefined } | undefined;
  settings?: Partial<SubscriptionBody>;
  trial_end?: 'now' | number | undefined;
  cancellation_details?: { comment?: string | undefined; feedback?: string | undefined } | undefined;
}

/**
 * Changes a subscription, bills what the change costs now, and sends the event with the changed fields.
 * @throws MockStripeError for a change that a subscription in this state cannot have
 */
export async function updateSubscription(
  change: Change,
  stored: StoredSubscription,
  update: SubscriptionUpdate,
): Promise<void> {
  const { tx, nowS, emit } = change;
  const { body } = stored;
  const before = structuredClone(body);
  requireChangeable(body.status, update);
  requireOwnEnding(body.schedule, update);
  await applyPlain(change, stored, update);
  if (update.pause_collection !== undefined) pauseCollection(body, update.pause_collection, nowS);
  if (update.discounts) await setDiscounts(change, stored, update.discounts);
  const owed = update.items
    ? await changeItems(change, stored, update.items, update.proration_date ?? nowS)
    : [];
  const invoice = await billChange(change, stored, before, update, owed);
  if (typeof update.trial_end === 'number') prolongTrial(stored, update.trial_end, nowS);
  planEnding(body, update, nowS);
  await tx.save(subscriptions, stored);
  if (update.trial_end === 'now' && body.status === 'trialing') return endTrial(change, stored);
  await emit('customer.subscription.updated', body, changedFields(before, body));
  if (invoice) await emitPaymentOutcome(change, invoice);
}

function requireChangeable(status: string, update: SubscriptionUpdate): void {
  if (status !== 'canceled' && status !== 'incomplete_expired') return;
  const { metadata: _metadata, cancellation_details: _details, settings, ...rest } = update;
  const others = Object.entries({ ...rest, ...settings }).filter(
    ([name, value]) => value !== undefined && name !== 'expand',
  );
  if (others.length === 0) return;
  throw invalidRequest('A canceled subscription can only update its cancellation_details and metadata.');
}

function requireOwnEnding(schedule: unknown, update: SubscriptionUpdate): void {
  if (!schedule || (update.cancel_at === undefined && update.cancel_at_period_end === undefined)) return;
  throw invalidRequest(
    `The subscription is managed by the subscription schedule \`${String(schedule)}\`, and updating any ` +
      'cancelation behavior directly is not allowed. Please update the schedule instead.',
  );
}

async function applyPlain(
  change: Change,
  { body }: StoredSubscription,
  update: SubscriptionUpdate,
): Promise<void> {
  body.metadata = mergeMetadata(body.metadata, update.metadata);
  Object.assign(body, update.settings);
  if (update.description !== undefined) body.description = update.description || null;
  if (update.collection_method) body.collection_method = update.collection_method;
  if (update.days_until_due !== undefined) body.days_until_due = update.days_until_due;
  if (update.cancellation_details) {
    const { comment, feedback } = update.cancellation_details;
    const present = body.cancellation_details ?? {
      comment: null,
      feedback: null,
      feedback_option: null,
      reason: null,
    };
    body.cancellation_details = {
      ...present,
      ...(comment === undefined ? {} : { comment: comment || null }),
      ...(feedback === undefined ? {} : { feedback: feedback || null }),
    };
  }
  if (update.default_payment_method) {
    const payer = await change.tx.get(customers, idOf(body.customer) ?? '', 'customer');
    const param = 'default_payment_method';
    body.default_payment_method = await attachCard(change, payer.body, update.default_payment_method, param);
  }
}

/** Bills at once where the change asks for it or begins a new cycle; otherwise the cost waits for the next invoice. */
async function billChange(
  change: Change,
  stored: StoredSubscription,
  before: StoredSubscription['body'],
  update: SubscriptionUpdate,
  owed: PendingLine[],
): Promise<StoredInvoice | null> {
  const { body, hidden } = stored;
  const behavior = update.proration_behavior ?? 'create_prorations';
  if (body.status === 'trialing' || body.status === 'incomplete') return null;
  if (behavior !== 'none') hidden.pending.push(...owed);
  const newCycle = startsCycle(before, body, update);
  if (!newCycle && (behavior !== 'always_invoice' || hidden.pending.length === 0)) return null;
  const { invoice, paid } = newCycle ? await beginCycle(change, stored) : await billWaiting(change, stored);
  const { status, collection_method: method } = invoice.body;
  const failed = !paid && status === 'open' && method === 'charge_automatically';
  if (failed && update.payment_behavior === 'error_if_incomplete') throw cardDeclined();
  return invoice;
}

/** A new cycle begins when it is asked for, or when the new price is paid at another interval. */
export function startsCycle(
  before: StoredSubscription['body'],
  after: StoredSubscription['body'],
  update: CycleChange,
): boolean {
  const pricesBefore = new Map(before.items.data.map(({ id, price }) => [id, price]));
  const isPaidOtherwise = after.items.data.some(({ id, price }) => {
    const known = pricesBefore.get(id);
    return known !== undefined && !sameCycle(known, price);
  });
  return isPaidOtherwise || beginsNow(update);
}

const beginsNow = ({ billing_cycle_anchor: anchor }: CycleChange): boolean =>
  (typeof anchor === 'object' ? anchor.type : anchor) === 'now';

export interface CycleChange {
  billing_cycle_anchor?: 'now' | 'unchanged' | { type: 'now' | 'unchanged' } | undefined;
}

/**
 * Begins a cycle. Only the credit for the old period is kept: the new period is billed in full.
 * @returns what was used before
 */
export function takeCycle(stored: StoredSubscription, nowS: number): UsageSpan[] {
  const { body, hidden } = stored;
  hidden.pending = hidden.pending.filter(({ amountCents, usage }) => amountCents < 0 || usage);
  const spans = spansOf(stored, nowS);
  body.billing_cycle_anchor = nowS;
  return spans;
}

async function beginCycle(change: Change, stored: StoredSubscription): Promise<Charged> {
  const spans = takeCycle(stored, change.nowS);
  const terms = { startS: change.nowS, which: 'all', reason: 'subscription_update' } as const;
  return beginPeriod(change, stored, terms, spans);
}

async function billWaiting(change: Change, stored: StoredSubscription): Promise<Charged> {
  const period = periodOf(stored.body);
  const lines = waitingLines(stored);
  stored.hidden.pending = [];
  const charged = await charge(change, stored, { reason: 'subscription_update', lines, period });
  await noteOutcome(change, stored, charged);
  return charged;
}

function pauseCollection(
  body: SubscriptionBody,
  pause: NonNullable<SubscriptionUpdate['pause_collection']>,
  nowS: number,
): void {
  if (pause && pause.resumes_at !== undefined && pause.resumes_at <= nowS) {
    const param = 'pause_collection[resumes_at]';
    throw invalidRequest('Invalid timestamp: must be in the future.', { param });
  }
  body.pause_collection = pause ? { behavior: pause.behavior, resumes_at: pause.resumes_at ?? null } : null;
}

const MAX_TRIAL_S = 730 * 86_400;

function prolongTrial({ body }: StoredSubscription, endS: number, nowS: number): void {
  const param = 'trial_end';
  if (endS <= nowS) throw invalidRequest('Invalid timestamp: must be in the future.', { param });
  if (endS > body.billing_cycle_anchor + MAX_TRIAL_S)
    throw invalidRequest('Invalid timestamp: must be at most two years from the billing_cycle_anchor.', {
      param,
    });
  if (body.status !== 'trialing') body.trial_start = nowS;
  body.status = 'trialing';
  body.trial_end = endS;
  body.billing_cycle_anchor = endS;
  setPeriod(body, { start: nowS, end: endS });
}
