import type * as mongo from 'mongodb';
import { checkoutSessions, type StoredSession } from './objects/checkoutSession.js';
import { noticeOf, periodOf, type StoredSubscription, subscriptions } from './objects/subscription.js';
import type { MockClock } from './storage/clock.js';
import type { EventDocument, ObjectDocument } from './storage/documents.js';
import type { Store } from './storage/store.js';
import { idOf } from './wire.js';

/** The most of each list, newest first. */
const MAX_CHECKOUTS = 20;
const MAX_SUBSCRIPTIONS = 20;
const MAX_EVENTS = 100;

/** What the mock has and what it does next, for a page that shows it. All instants but `writtenAt` are on the mock's clock. */
export interface MockState {
  now: Date;
  /** How far the mock's clock is ahead of the machine's. */
  aheadMs: number;
  /** Whether changes that are due have not happened yet. */
  isCatchingUp: boolean;
  /** Open ones. */
  checkouts: MockCheckout[];
  subscriptions: MockSubscription[];
  events: MockEvent[];
}

export interface MockCheckout {
  id: string;
  /** null: created when the person pays. */
  customer: string | null;
  email: string | null;
  /** What is bought, such as `Pro`; several are joined with a comma. */
  title: string;
  /** Due today, in the smallest unit of the currency. */
  amount: number;
  currency: string;
  trialDays: number | null;
  url: string | null;
  metadata: Record<string, string>;
  createdAt: Date;
  expiresAt: Date;
}

export interface MockSubscription {
  id: string;
  customer: string;
  status: string;
  title: string;
  metadata: Record<string, string>;
  createdAt: Date;
  currentPeriodEnd: Date;
  /** What happens by itself, the next first. */
  upcoming: { what: UpcomingChange; at: Date }[];
}

export type UpcomingChange =
  | 'trial_will_end'
  | 'trial_end'
  | 'renewal'
  | 'payment_retry'
  | 'payments_resume'
  | 'cancellation';

export interface MockEvent {
  id: string;
  type: string;
  /** Of the object that it is about. */
  objectKind: string;
  objectId: string | null;
  customer: string | null;
  createdAt: Date;
  /** On the machine's clock. */
  writtenAt: Date;
  delivery: { state: 'pending' | 'delivered' | 'failed'; attempts: number; lastError: string | null };
}

/** @param customer only what is of this customer */
export type ReadState = (customer?: string | null) => Promise<MockState>;

export function createStateReader({ read, collections }: Store, clock: MockClock): ReadState {
  async function newestEvents(customer: string | null): Promise<MockEvent[]> {
    const filter: mongo.Filter<EventDocument> = customer ? { customer } : {};
    const found = await collections.events
      .find(filter)
      .sort({ created: -1, seq: -1 })
      .limit(MAX_EVENTS)
      .toArray();
    return found.map(eventOf);
  }

  return async (customer = null) => {
    const ofCustomer: mongo.Filter<ObjectDocument> = customer ? { 'refs.customer': customer } : {};
    const [{ offsetMs, targetOffsetMs }, sessions, held, events] = await Promise.all([
      clock.state(),
      read.list(checkoutSessions, { ...ofCustomer, 'refs.status': 'open' }, MAX_CHECKOUTS),
      read.list(subscriptions, ofCustomer, MAX_SUBSCRIPTIONS),
      newestEvents(customer),
    ]);
    return {
      now: dateOf(clock.atS(offsetMs)),
      aheadMs: offsetMs,
      isCatchingUp: targetOffsetMs > offsetMs,
      checkouts: sessions.map(checkoutOf),
      subscriptions: held.map(subscriptionOf),
      events,
    };
  };
}

function checkoutOf({ body, hidden }: StoredSession): MockCheckout {
  return {
    id: body.id,
    customer: idOf(body.customer),
    email: body.customer_details?.email ?? body.customer_email ?? null,
    title: titleOf(hidden.lineItems.filter(({ quantity }) => quantity !== null)),
    amount: body.amount_total ?? 0,
    currency: body.currency ?? 'usd',
    trialDays: hidden.subscription.trialPeriodDays,
    url: body.url,
    metadata: body.metadata ?? {},
    createdAt: dateOf(body.created),
    expiresAt: dateOf(body.expires_at),
  };
}

const titleOf = (items: { description: string | null }[]): string =>
  items.map(({ description }) => description ?? 'Product').join(', ');

function subscriptionOf(stored: StoredSubscription): MockSubscription {
  const { body } = stored;
  const titles = body.items.data
    .filter(({ price }) => price.recurring?.usage_type !== 'metered')
    .map(({ price }) => ({ description: price.nickname ?? price.lookup_key ?? price.id }));
  return {
    id: body.id,
    customer: idOf(body.customer) ?? '',
    status: body.status,
    title: titleOf(titles),
    metadata: body.metadata,
    createdAt: dateOf(body.created),
    currentPeriodEnd: dateOf(periodOf(body).end),
    upcoming: upcomingOf(stored),
  };
}

function upcomingOf({ body, hidden, dueAt }: StoredSubscription): MockSubscription['upcoming'] {
  if (dueAt === null) return [];
  const trialing = body.status === 'trialing';
  const notice = hidden.trialEndSaid === body.trial_end ? null : noticeOf(body);
  const moments: Record<UpcomingChange, number | null> = {
    trial_will_end: trialing ? notice : null,
    trial_end: trialing ? body.trial_end : null,
    payment_retry: trialing ? null : hidden.retryAtS,
    payments_resume: body.pause_collection?.resumes_at ?? null,
    cancellation: body.cancel_at,
    renewal: trialing || body.status === 'paused' ? null : periodOf(body).end,
  };
  const endS = body.cancel_at ?? Number.POSITIVE_INFINITY;
  return Object.entries(moments)
    .flatMap(([what, atS]) => (atS === null ? [] : [{ what: what as UpcomingChange, atS }]))
    .filter(({ what, atS }) => what === 'cancellation' || atS < endS)
    .sort((one, other) => one.atS - other.atS)
    .map(({ what, atS }) => ({ what, at: dateOf(atS) }));
}

function eventOf({ _id, type, created, seq, customer, body, delivery }: EventDocument): MockEvent {
  const object = body.data.object as { object?: string; id?: string };
  const { state, attempts, lastError } = delivery;
  return {
    id: _id,
    type,
    objectKind: object.object ?? '',
    objectId: object.id ?? null,
    customer: customer ?? null,
    createdAt: dateOf(created),
    writtenAt: new Date(Math.floor(seq / 1000)),
    delivery: { state, attempts, lastError },
  };
}

const dateOf = (seconds: number): Date => new Date(seconds * 1000);
