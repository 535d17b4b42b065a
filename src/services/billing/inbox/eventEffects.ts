import type Stripe from 'stripe';
import type { Models } from '../../../models/models.js';
import type { Customers } from '../customers/customers.js';
import { isMissing } from '../stripe/stripeErrors.js';
import { idOf } from '../stripe/stripeObjects.js';
import type { SubscriptionSync } from '../sync/subscriptionSync.js';
import type { MeterError } from '../usageReports/usageReports.js';
import { METER_ERRORS, type QueueKind } from './eventTarget.js';

/** What became of a lane: it was applied, there was nothing to do and why, or its events belong to another lane. */
export type EventOutcome =
  | { kind: 'applied'; note: string | null }
  | { kind: 'ignored'; reason: string }
  | { kind: 'moved'; lane: string };

/** Applies whatever waits in a lane, by the present state of its object. */
export type EventEffect = (lane: string) => Promise<EventOutcome>;

/** An object of Stripe's that has a customer. */
type Owned = { customer?: unknown };

export function createEventEffect(deps: {
  models: Models;
  stripe: Stripe;
  customers: Customers;
  sync: SubscriptionSync;
  /** Told of usage that Stripe took and could not count. */
  onMeterErrors: (rejections: readonly MeterError[]) => Promise<void>;
}): EventEffect {
  const { models, stripe, customers, sync, onMeterErrors } = deps;

  /** Under the customer's lane, so that no two lanes write the same tenant. */
  async function passOn(kind: 'customer' | 'card', find: () => Promise<unknown>): Promise<EventOutcome> {
    const customerId = await find().catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (customerId === undefined) return ignored('Stripe does not show it to STRIPE_SECRET_KEY');
    const id = idOf(customerId);
    return id ? { kind: 'moved', lane: `${kind}:${id}` } : ignored('it has no customer');
  }

  const customerOf = async (object: Promise<Owned>) => (await object).customer ?? null;

  const effects: Record<QueueKind, (id: string) => Promise<EventOutcome>> = {
    async customer(id) {
      const outcome = await sync.sync(id);
      return outcome.kind === 'written' ? { kind: 'applied', note: outcome.note } : outcome;
    },
    async card(id) {
      return (await customers.notePaymentMethod(id)) ? APPLIED : ignored('the customer belongs to no tenant');
    },
    subscription: (id) =>
      passOn('customer', async () => {
        const known = await models.billingSubscriptions
          .findOne({ stripeSubscriptionId: id }, { stripeCustomerId: 1 })
          .lean<{ stripeCustomerId: string }>();
        return known?.stripeCustomerId ?? customerOf(stripe.subscriptions.retrieve(id));
      }),
    invoice: (id) => passOn('customer', () => customerOf(stripe.invoices.retrieve(id))),
    checkout: (id) => passOn('customer', () => customerOf(stripe.checkout.sessions.retrieve(id))),
    schedule: (id) => passOn('customer', () => customerOf(stripe.subscriptionSchedules.retrieve(id))),
    charge: (id) => passOn('customer', () => customerOf(stripe.charges.retrieve(id))),
    dispute: (id) =>
      passOn('customer', async () => {
        const { charge } = await stripe.disputes.retrieve(id);
        return customerOf(stripe.charges.retrieve(idOf(charge) ?? ''));
      }),
    meterErrors: noteMeterErrors,
    paymentMethod: (id) => passOn('card', () => customerOf(stripe.paymentMethods.retrieve(id))),
  };

  async function noteMeterErrors(eventId: string): Promise<EventOutcome> {
    const event = await stripe.v2.core.events.retrieve(eventId).catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    });
    if (!event) return ignored('Stripe does not show it to STRIPE_SECRET_KEY');
    if (event.type !== METER_ERRORS) return ignored(`Stripe has it as ${event.type}`);
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

  return async (lane) => {
    const colon = lane.indexOf(':');
    const kind = lane.slice(0, colon) as QueueKind;
    if (!Object.hasOwn(effects, kind)) throw new Error(`The lane ${lane} is unknown here`);
    return effects[kind](lane.slice(colon + 1));
  };
}

const APPLIED: EventOutcome = { kind: 'applied', note: null };
const ignored = (reason: string): EventOutcome => ({ kind: 'ignored', reason });
