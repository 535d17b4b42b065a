import Stripe from 'stripe';
import { invalidRequest } from './http/errors.js';

/** Whom an event happens to, and what is bought where the event needs a subscription that does not exist yet. */
export interface TriggerSubject {
  customer: string;
  /** Called only for events that need something to buy. */
  items(): { price: string; quantity?: number }[];
  /** Set on sessions and subscriptions that are created. */
  metadata?: Record<string, string>;
}

export interface Trigger {
  /** The types of events that can be triggered. */
  readonly events: readonly string[];
  /** What each of them does, in one sentence. */
  readonly summaries: Readonly<Record<string, string>>;
  /**
   * Makes an event happen, with its webhooks, by calling the API that leads to it. A subscription that the event needs is
   * created.
   * @throws MockStripeError for an unknown event; otherwise what the SDK throws
   */
  run(event: string, subject: TriggerSubject): Promise<void>;
}

/** What happens, in one sentence each. */
const SUMMARIES = {
  'checkout.session.completed': 'A person pays a checkout. An earlier subscription ends first.',
  'checkout.session.expired': 'A checkout was left open too long. An earlier subscription ends first.',
  'checkout.session.async_payment_succeeded': 'A bank confirms the payment of a checkout days later.',
  'checkout.session.async_payment_failed':
    'A bank rejects the payment of a checkout days later; its subscription ends.',
  'customer.updated': 'The customer is changed at Stripe.',
  'customer.deleted': 'The customer is deleted at Stripe, with its subscription.',
  'customer.subscription.created': 'A subscription starts without a checkout. An earlier one ends first.',
  'customer.subscription.updated': 'The subscription is set to end with its period, or no longer is.',
  'customer.subscription.deleted': 'The subscription ends immediately.',
  'customer.subscription.paused': 'The subscription is paused, and grants nothing meanwhile.',
  'customer.subscription.resumed': 'A paused subscription continues.',
  'invoice.payment_succeeded': 'The card works again: the open invoice is paid, or a new one is.',
  'invoice.payment_failed':
    'A renewal is due now and the card is declined, as are later charges until a payment succeeds.',
  'customer.subscription.trial_will_end':
    'A trial starts that ends in two days. An earlier subscription ends first.',
  'subscription_schedule.created': 'A schedule takes over the subscription.',
  'subscription_schedule.updated': 'The schedule of the subscription is changed.',
  'subscription_schedule.released': 'The schedule lets go of the subscription, which continues.',
  'subscription_schedule.canceled': 'The subscription ends, and its schedule with it.',
  'subscription_schedule.completed': 'The last phase of the schedule is over.',
  'subscription_schedule.aborted': 'The schedule stops because the subscription could not be paid.',
  'subscription_schedule.expiring': 'The schedule ends in a week.',
  'invoice.finalized': 'An invoice is made now and paid by the card.',
  'invoice.payment_action_required': 'A renewal is due now and the bank asks the person to confirm it.',
  'invoice.voided': 'An open invoice is declared void.',
  'invoice.marked_uncollectible': 'An open invoice is given up.',
  'charge.refunded': 'A charge is made and refunded.',
  'charge.dispute.created': 'A charge is made and disputed by its payer.',
  'payment_method.attached': 'A card is added to the customer.',
};

interface Scene extends TriggerSubject {
  /** The customer's, created if there is none. */
  subscription(): Promise<Stripe.Subscription>;
}

export function createTrigger(deps: {
  fetch: typeof fetch;
  completeCheckout: (sessionId: string) => Promise<unknown>;
  /** Writes an event about an object as it is now, for what no call to the API leads to. */
  writeEvent: (type: string, kind: 'checkout.session' | 'subscription_schedule', id: string) => Promise<void>;
}): Trigger {
  const { completeCheckout, writeEvent } = deps;
  const stripe = new Stripe('sk_test_trigger', {
    httpClient: Stripe.createFetchHttpClient(deps.fetch),
    telemetry: false,
  });

  const heldBy = async (customer: string) =>
    (await stripe.subscriptions.list({ customer, limit: 1 })).data[0];

  const subscribe = (
    { customer, items, metadata = {} }: TriggerSubject,
    terms: { trial_period_days?: number } = {},
  ) =>
    stripe.subscriptions.create({
      customer,
      items: items(),
      default_payment_method: 'pm_card_visa',
      metadata,
      ...terms,
    });

  const endHeld = async ({ customer }: Scene) => {
    const held = await heldBy(customer);
    if (held) await stripe.subscriptions.cancel(held.id);
  };

  const openSession = ({ customer, items, metadata = {} }: TriggerSubject) =>
    stripe.checkout.sessions.create({
      mode: 'subscription',
      customer,
      line_items: items(),
      success_url: 'http://localhost/',
      metadata,
      subscription_data: { metadata },
    });

  /** The bank reports the payment's outcome days after the checkout; if it failed, the subscription has ended. */
  async function asyncPayment(scene: Scene, outcome: 'succeeded' | 'failed'): Promise<void> {
    await endHeld(scene);
    const { id } = await openSession(scene);
    await completeCheckout(id);
    if (outcome === 'failed') await endHeld(scene);
    await writeEvent(`checkout.session.async_payment_${outcome}`, 'checkout.session', id);
  }

  /** A schedule of the customer's subscription, created if there is none. */
  async function scheduleOf({ subscription }: Scene): Promise<string> {
    const { id, schedule } = await subscription();
    if (schedule) return typeof schedule === 'string' ? schedule : schedule.id;
    return (await stripe.subscriptionSchedules.create({ from_subscription: id })).id;
  }

  const scheduleHappens = (what: string) => async (scene: Scene) =>
    writeEvent(`subscription_schedule.${what}`, 'subscription_schedule', await scheduleOf(scene));

  /** An invoice of the customer's that is open, because its payment failed. */
  async function openInvoice({ customer, subscription }: Scene): Promise<string> {
    const held = await subscription();
    await setCard(customer, 'decline');
    const { latest_invoice: invoice } = await billNow(held);
    return (typeof invoice === 'string' ? invoice : invoice?.id) ?? '';
  }

  const chargeOf = (customer: string, source?: string) =>
    stripe.charges.create({ amount: 2_900, currency: 'usd', customer, ...(source && { source }) });

  const setCard = (customer: string, card: '' | 'decline' | 'authenticate') =>
    stripe.customers.update(customer, { metadata: { mock_card: card } });

  const billNow = ({ id }: Stripe.Subscription) =>
    stripe.subscriptions.update(id, { billing_cycle_anchor: { type: 'now' }, proration_behavior: 'none' });

  const scenarios: Record<keyof typeof SUMMARIES, (scene: Scene) => Promise<unknown>> = {
    'checkout.session.completed': async (scene) => {
      await endHeld(scene);
      await completeCheckout((await openSession(scene)).id);
    },
    'checkout.session.expired': async (scene) => {
      await endHeld(scene);
      await stripe.checkout.sessions.expire((await openSession(scene)).id);
    },
    'checkout.session.async_payment_succeeded': (scene) => asyncPayment(scene, 'succeeded'),
    'checkout.session.async_payment_failed': (scene) => asyncPayment(scene, 'failed'),
    'customer.updated': ({ customer }) =>
      stripe.customers.update(customer, { description: 'Changed by a trigger' }),
    'customer.deleted': ({ customer }) => stripe.customers.del(customer),
    'customer.subscription.created': async (scene) => {
      await endHeld(scene);
      await subscribe(scene);
    },
    'customer.subscription.updated': async ({ subscription }) => {
      const { id, cancel_at_period_end: ends } = await subscription();
      await stripe.subscriptions.update(id, { cancel_at_period_end: !ends });
    },
    'customer.subscription.deleted': async ({ subscription }) =>
      stripe.subscriptions.cancel((await subscription()).id),
    'customer.subscription.paused': async ({ subscription }) =>
      stripe.rawRequest('POST', `/v1/subscriptions/${(await subscription()).id}/pause`, {}),
    'customer.subscription.resumed': async ({ subscription }) => {
      const { id, status } = await subscription();
      if (status !== 'paused') await stripe.rawRequest('POST', `/v1/subscriptions/${id}/pause`, {});
      await stripe.subscriptions.resume(id);
    },
    'invoice.payment_succeeded': async ({ customer, subscription }) => {
      await setCard(customer, '');
      const held = await subscription();
      const latest = typeof held.latest_invoice === 'string' ? held.latest_invoice : held.latest_invoice?.id;
      const invoice = latest ? await stripe.invoices.retrieve(latest) : null;
      if (invoice?.status === 'open') await stripe.invoices.pay(invoice.id);
      else await billNow(held);
    },
    'invoice.payment_failed': async ({ customer, subscription }) => {
      const held = await subscription();
      await setCard(customer, 'decline');
      await billNow(held);
    },
    'customer.subscription.trial_will_end': async (scene) => {
      await endHeld(scene);
      await subscribe(scene, { trial_period_days: 2 });
    },
    'subscription_schedule.created': async (scene) => {
      await endHeld(scene);
      await scheduleOf(scene);
    },
    'subscription_schedule.updated': async (scene) =>
      stripe.subscriptionSchedules.update(await scheduleOf(scene), { metadata: { changed: 'by a trigger' } }),
    'subscription_schedule.released': async (scene) =>
      stripe.subscriptionSchedules.release(await scheduleOf(scene)),
    'subscription_schedule.canceled': async (scene) => {
      await scheduleOf(scene);
      await endHeld(scene);
    },
    'subscription_schedule.completed': scheduleHappens('completed'),
    'subscription_schedule.aborted': scheduleHappens('aborted'),
    'subscription_schedule.expiring': scheduleHappens('expiring'),
    'invoice.finalized': async ({ customer, subscription }) => {
      await setCard(customer, '');
      await billNow(await subscription());
    },
    'invoice.payment_action_required': async ({ customer, subscription }) => {
      const held = await subscription();
      await setCard(customer, 'authenticate');
      await billNow(held);
    },
    'invoice.voided': async (scene) => stripe.invoices.voidInvoice(await openInvoice(scene)),
    'invoice.marked_uncollectible': async (scene) =>
      stripe.invoices.markUncollectible(await openInvoice(scene)),
    'charge.refunded': async ({ customer }) =>
      stripe.refunds.create({ charge: (await chargeOf(customer)).id }),
    'charge.dispute.created': ({ customer }) => chargeOf(customer, 'tok_createDispute'),
    'payment_method.attached': ({ customer }) => stripe.paymentMethods.attach('pm_card_visa', { customer }),
  };

  return {
    events: Object.keys(scenarios),
    summaries: SUMMARIES,
    async run(event, subject) {
      const scenario = Object.hasOwn(scenarios, event)
        ? scenarios[event as keyof typeof SUMMARIES]
        : undefined;
      if (!scenario) {
        const known = Object.keys(scenarios).join(', ');
        throw invalidRequest(`Unknown event: ${event}. It must be one of ${known}.`, { param: 'event' });
      }
      const subscription = async () => (await heldBy(subject.customer)) ?? subscribe(subject);
      await scenario({ ...subject, subscription });
    },
  };
}
