import { idOf } from '../stripe/stripeObjects.js';
import type { ReceivedEvent } from './receivedEvent.js';

/**
 * What an event asks to look at. An event is only a hint: the object is fetched as it is now, so the order of events
 * and their repetition make no difference.
 */
export interface EventTarget {
  /** `<what to do>:<Stripe's id>`. Events of one lane are applied together; null: there is nothing to do. */
  lane: string | null;
  /** Stripe's id of the object that the event is about. */
  object: string | null;
  /** Why there is nothing to do. */
  reason: string | null;
}

/** What each lane's name begins with; what follows is the id of a Stripe object. */
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
  /** As Stripe lists them. */
  types: readonly string[];
  /** Types that begin so fit, too: of thin events there are many kinds. */
  prefix?: string;
  /** What is done, under the customer's id. */
  lane: 'customer' | 'card';
  /** The object's own kind of lane: it finds out the customer, which a thin event does not name. */
  via: QueueKind;
}

const RULES: readonly Rule[] = [
  {
    types: ['customer.created', 'customer.updated', 'customer.deleted'],
    lane: 'customer',
    via: 'customer',
  },
  {
    types: ['created', 'updated', 'deleted', 'paused', 'resumed', 'trial_will_end'].map(
      (what) => `customer.subscription.${what}`,
    ),
    prefix: 'customer.subscription.',
    lane: 'customer',
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
    lane: 'customer',
    via: 'invoice',
  },
  {
    types: ['completed', 'expired', 'async_payment_succeeded', 'async_payment_failed'].map(
      (what) => `checkout.session.${what}`,
    ),
    lane: 'customer',
    via: 'checkout',
  },
  {
    types: ['created', 'updated', 'released', 'canceled', 'completed', 'aborted', 'expiring'].map(
      (what) => `subscription_schedule.${what}`,
    ),
    lane: 'customer',
    via: 'schedule',
  },
  { types: ['charge.refunded'], lane: 'customer', via: 'charge' },
  { types: ['charge.dispute.created'], lane: 'customer', via: 'dispute' },
  { types: ['payment_method.attached'], lane: 'card', via: 'paymentMethod' },
];

/** The types that have an effect, as Stripe's list of events filters them. */
export const EFFECTIVE_TYPES: readonly string[] = RULES.flatMap(({ types }) => types);

/** A thin event; what it reports is told by the event itself, when it is fetched. */
export const METER_ERRORS = 'v1.billing.meter.error_report_triggered';

/**
 * @param isLive whether the server's key is of Stripe's live mode; null: unknown, and events of both modes count
 */
export function targetOf(event: ReceivedEvent, isLive: boolean | null = null): EventTarget {
  const { id: eventId, type, subject, isThin } = event;
  const id = idOf(subject);
  if (isOfOtherMode(event, isLive)) return { lane: null, object: id, reason: otherMode(event) };
  if (type === METER_ERRORS) return { lane: `meterErrors:${eventId}`, object: id, reason: null };
  const plainType = plainTypeOf(type);
  const rule = RULES.find(
    ({ types, prefix }) => types.includes(plainType) || (prefix && plainType.startsWith(prefix)),
  );
  if (!rule) return { lane: null, object: id, reason: `events of type ${type} have no effect` };
  if (rule.via === 'customer') return target('customer', id, id);
  if (isThin) return target(rule.via, id, id);
  // A dispute names its charge, and no customer.
  if (rule.via === 'dispute') return target('charge', idOf(subject.charge), id);
  return target(rule.lane, idOf(subject.customer), id);
}

/** An event of test mode while the key is a live one, or the other way round. */
export const isOfOtherMode = ({ livemode }: ReceivedEvent, isLive: boolean | null): boolean =>
  livemode !== null && isLive !== null && livemode !== isLive;

const otherMode = ({ livemode }: ReceivedEvent): string =>
  livemode
    ? "it is about Stripe's live mode, and STRIPE_SECRET_KEY is a test key"
    : "it is about Stripe's test mode, and STRIPE_SECRET_KEY is a live key";

/** Thin events have the same types as snapshot events, with a version in front. */
export const plainTypeOf = (type: string): string => type.replace(/^v1\./, '');

const target = (kind: QueueKind, id: string | null, object: string | null): EventTarget =>
  id
    ? { lane: `${kind}:${id}`, object, reason: null }
    : { lane: null, object, reason: 'it names no customer' };
