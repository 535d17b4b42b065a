import { idOf, subscriptionOfInvoice } from '../stripe/stripeObjects.js';
import { MAX_SECONDS, type ReceivedEvent } from './receivedEvent.js';

/**
 * What an event is about. An event is only a hint: the object is fetched in its current state, so neither the order of
 * events nor their repetition makes a difference.
 */
export interface EventTarget {
  /** `<kind>:<Stripe's id>`. The events of one queue are applied together; null: the event has no effect. */
  queue: string | null;
  /** Stripe's id of the event's object. */
  object: string | null;
  /** Stripe's id for the customer, if the event names it. */
  customer: string | null;
  /** Why the event has no effect. */
  reason: string | null;
}

/** The first part of a queue's name; the second is the id of a Stripe object. */
export type QueueKind =
  | 'customer'
  | 'card'
  | 'subscription'
  | 'invoice'
  | 'checkout'
  | 'schedule'
  | 'charge'
  | 'dispute'
  | 'paymentMethod'
  | 'meterErrors';

interface Rule {
  /** Stripe's event types. */
  types: readonly string[];
  /** Types with this prefix match too, because thin events come in many kinds. */
  prefix?: string;
  /** The queue for an event that names its customer. */
  queue: 'customer' | 'card';
  /** The queue for a thin event, which does not name the customer: it looks the customer up. */
  via: QueueKind;
}

const RULES: readonly Rule[] = [
  {
    types: ['customer.created', 'customer.updated', 'customer.deleted'],
    queue: 'customer',
    via: 'customer',
  },
  {
    types: ['created', 'updated', 'deleted', 'paused', 'resumed', 'trial_will_end'].map(
      (what) => `customer.subscription.${what}`,
    ),
    prefix: 'customer.subscription.',
    queue: 'customer',
    via: 'subscription',
  },
  {
    types: [
      'payment_succeeded',
      'payment_failed',
      'payment_action_required',
      'finalized',
      'voided',
      'marked_uncollectible',
    ].map((what) => `invoice.${what}`),
    queue: 'customer',
    via: 'invoice',
  },
  {
    types: ['completed', 'expired', 'async_payment_succeeded', 'async_payment_failed'].map(
      (what) => `checkout.session.${what}`,
    ),
    queue: 'customer',
    via: 'checkout',
  },
  {
    types: ['created', 'updated', 'released', 'canceled', 'completed', 'aborted', 'expiring'].map(
      (what) => `subscription_schedule.${what}`,
    ),
    queue: 'customer',
    via: 'schedule',
  },
  { types: ['charge.refunded'], queue: 'customer', via: 'charge' },
  { types: ['charge.dispute.created'], queue: 'customer', via: 'dispute' },
  { types: ['payment_method.attached'], queue: 'card', via: 'paymentMethod' },
];

/** The types that have an effect; lists of Stripe's events are filtered by them. */
export const EFFECTIVE_TYPES: readonly string[] = RULES.flatMap(({ types }) => types);

/** A thin event; the errors are in the event itself, which has to be fetched. */
export const METER_ERRORS = 'v1.billing.meter.error_report_triggered';

/**
 * @param isLive whether the server's key belongs to Stripe's live mode; null: unknown, so events of both modes count
 */
export function targetOf(event: ReceivedEvent, isLive: boolean | null = null): EventTarget {
  const { id: eventId, type, subject, isThin } = event;
  const id = idOf(subject);
  const customer = subject.object === 'customer' ? id : idOf(subject.customer);
  const target = (queue: string | null, reason: string | null = null): EventTarget => ({
    queue,
    object: id,
    customer,
    reason,
  });
  const targetIn = (kind: QueueKind, queueId: string | null): EventTarget =>
    queueId ? target(`${kind}:${queueId}`) : target(null, 'the event names no customer');
  if (isOfOtherMode(event, isLive)) return target(null, otherMode(event));
  if (type === METER_ERRORS) return target(`meterErrors:${eventId}`);
  const plainType = plainTypeOf(type);
  const rule = RULES.find(
    ({ types, prefix }) => types.includes(plainType) || (prefix && plainType.startsWith(prefix)),
  );
  if (!rule) return target(null, `events of type ${type} have no effect`);
  if (rule.via === 'customer') return targetIn('customer', id);
  if (isThin) return targetIn(rule.via, id);
  // A dispute names its charge, and no customer.
  if (rule.via === 'dispute') return targetIn('charge', idOf(subject.charge));
  return targetIn(rule.queue, customer);
}

/** The subscription that an event concerns. */
export interface EventSubscription {
  /** Stripe's id; null: the event names none. */
  id: string | null;
  /** When it was created; null: the event does not say, or Stripe's lists do not show it. */
  createdAt: Date | null;
}

/** An id that can be stored. */
const ID = /^[\w.-]{1,128}$/;

export function subscriptionOf({ type, subject, isThin }: ReceivedEvent): EventSubscription {
  const [object, name] = plainTypeOf(type).split('.');
  const named = (reference: unknown): EventSubscription => {
    const id = idOf(reference);
    return { id: id && ID.test(id) ? id : null, createdAt: null };
  };
  if (object === 'invoice') return named(subscriptionOfInvoice(subject));
  if (object === 'checkout') return named(subject.subscription);
  if (object === 'subscription_schedule') return named(subject.subscription ?? subject.released_subscription);
  if (object !== 'customer' || name !== 'subscription') return named(null);
  const { created, test_clock: testClock } = subject;
  const isTime = typeof created === 'number' && created > 0 && created <= MAX_SECONDS;
  // Lists leave out what belongs to a test clock.
  const isListed = isTime && !isThin && !testClock;
  return { ...named(subject), createdAt: isListed ? new Date(created * 1000) : null };
}

/** Whether a test-mode event meets a live key, or the other way round. */
export const isOfOtherMode = ({ livemode }: ReceivedEvent, isLive: boolean | null): boolean =>
  livemode !== null && isLive !== null && livemode !== isLive;

const otherMode = ({ livemode }: ReceivedEvent): string =>
  livemode
    ? 'it belongs to live mode, and STRIPE_SECRET_KEY is a test key'
    : 'it belongs to test mode, and STRIPE_SECRET_KEY is a live key';

/** Thin events have the types of snapshot events, prefixed with a version. */
export const plainTypeOf = (type: string): string => type.replace(/^v1\./, '');
