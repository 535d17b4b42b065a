import type Stripe from 'stripe';
import type { Models } from '../../../models/models.js';
import type { Author } from '../../audit/author.js';
import type { Customers } from '../customers/customers.js';
import { isMissing } from '../stripe/stripeErrors.js';
import { idOf } from '../stripe/stripeObjects.js';
import type { SubscriptionSync } from '../sync/subscriptionSync.js';
import type { SyncOutcome } from '../sync/subscriptionWriter.js';
import type { MeterError } from '../usageReports/usageReports.js';
import { METER_ERRORS, type QueueKind } from './eventTarget.js';

/** The outcome of a queue's events: applied, ignored for a reason, or moved to the queue of their customer. */
export type EventOutcome =
  | { kind: 'applied'; note: string | null }
  | { kind: 'ignored'; reason: string }
  | { kind: 'moved'; to: string };

/**
 * Applies the pending events of a queue by fetching the current state of its object.
 * @param author the newest of the events, for the audit log
 */
export type EventEffect = (queue: string, author: Author) => Promise<EventOutcome>;

/** A Stripe object that belongs to a customer. */
type Owned = { customer?: unknown };

export function createEventEffect(deps: {
  models: Models;
  stripe: Stripe;
  customers: Customers;
  sync: SubscriptionSync;
  /** Receives the usage reports that Stripe accepted but could not count. */
  onMeterErrors: (errors: readonly MeterError[]) => Promise<void>;
}): EventEffect {
  const { models, stripe, customers, sync, onMeterErrors } = deps;

  /** Moves the events to the customer's queue, so that no two queues write the same tenant. */
  async function moveToCustomer(
    kind: 'customer' | 'card',
    find: () => Promise<unknown>,
  ): Promise<EventOutcome> {
    const customerId = await find().catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (customerId === undefined) return NOT_VISIBLE;
    const id = idOf(customerId);
    return id ? { kind: 'moved', to: `${kind}:${id}` } : ignored('the object has no customer');
  }

  const customerOf = async (object: Promise<Owned>) => (await object).customer ?? null;

  const effects: Record<QueueKind, (id: string, author: Author) => Promise<EventOutcome>> = {
    async customer(id, author) {
      return outcomeOf(await sync.sync(id, author));
    },
    async card(id) {
      return (await customers.notePaymentMethod(id)) ? APPLIED : ignored('the customer belongs to no tenant');
    },
    subscription: (id) =>
      moveToCustomer('customer', async () => {
        const known = await models.billingSubscriptions
          .findOne({ stripeSubscriptionId: id }, { stripeCustomerId: 1 })
          .lean<{ stripeCustomerId: string }>();
        return known?.stripeCustomerId ?? customerOf(stripe.subscriptions.retrieve(id));
      }),
    invoice: (id) => moveToCustomer('customer', () => customerOf(stripe.invoices.retrieve(id))),
    checkout: (id) => moveToCustomer('customer', () => customerOf(stripe.checkout.sessions.retrieve(id))),
    schedule: (id) => moveToCustomer('customer', () => customerOf(stripe.subscriptionSchedules.retrieve(id))),
    charge: (id) => moveToCustomer('customer', () => customerOf(stripe.charges.retrieve(id))),
    dispute: (id) =>
      moveToCustomer('customer', async () => {
        const { charge } = await stripe.disputes.retrieve(id);
        return customerOf(stripe.charges.retrieve(idOf(charge) ?? ''));
      }),
    meterErrors: noteMeterErrors,
    paymentMethod: (id) => moveToCustomer('card', () => customerOf(stripe.paymentMethods.retrieve(id))),
  };

  async function noteMeterErrors(eventId: string): Promise<EventOutcome> {
    const event = await stripe.v2.core.events.retrieve(eventId).catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    });
    if (!event) return NOT_VISIBLE;
    if (event.type !== METER_ERRORS) return ignored(`the event is of type ${event.type} at Stripe`);
    const { error_types: types } = event.data.reason;
    await onMeterErrors(
      types.flatMap(({ code, sample_errors: samples }) =>
        samples.map(({ error_message: message, request }) => ({
          identifier: request.identifier,
          code,
          message,
        })),
      ),
    );
    return APPLIED;
  }

  return async (queue, author) => {
    const colon = queue.indexOf(':');
    const kind = queue.slice(0, colon) as QueueKind;
    if (!Object.hasOwn(effects, kind)) throw new Error(`Unknown kind of webhook queue: ${queue}`);
    return effects[kind](queue.slice(colon + 1), author);
  };
}

/** What a customer's events have come to. */
export const outcomeOf = (outcome: SyncOutcome): Extract<EventOutcome, { kind: 'applied' | 'ignored' }> =>
  outcome.kind === 'written' ? { kind: 'applied', note: outcome.note } : outcome;

const APPLIED: EventOutcome = { kind: 'applied', note: null };
const ignored = (reason: string): EventOutcome => ({ kind: 'ignored', reason });
const NOT_VISIBLE = ignored('STRIPE_SECRET_KEY cannot read the object at Stripe');
