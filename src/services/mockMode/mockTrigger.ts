import type { MockStripe } from '@continuum-billing/mock-stripe';
import type { Logger } from 'pino';
import Stripe from 'stripe';
import { badInput } from '../../common/errors.js';
import type { Tenants } from '../accounts/tenants.js';
import type { Customers } from '../billing/customers/customers.js';
import { callingStripe } from '../billing/stripe/stripeErrors.js';
import type { Tiers } from '../tiers/tiers.js';

export interface Triggered {
  event: string;
  tenantId: string;
  stripeCustomerId: string;
}

/**
 * Mock mode: makes an event happen to a tenant, by doing at the mock what leads to it. A customer and a subscription
 * that it needs are made.
 * @param tenantId null: the oldest tenant
 * @throws BAD_USER_INPUT for an event that is not known, with those that are; NOT_FOUND
 */
export type MockTrigger = (event: string, tenantId: string | null) => Promise<Triggered>;

interface Scene {
  customer: string;
  tenantId: string;
  /** The tenant's, made if there is none. */
  subscription(): Promise<Stripe.Subscription>;
}

export function createMockTrigger(deps: {
  mock: MockStripe;
  customers: Customers;
  tenants: Tenants;
  tiers: Tiers;
  log: Logger;
}): MockTrigger {
  const { mock, customers, tenants, tiers, log } = deps;
  const stripe = new Stripe('sk_test_mock', {
    httpClient: Stripe.createFetchHttpClient(mock.fetch),
    telemetry: false,
  });

  function itemsToBuy() {
    const tier = tiers.all().find(({ checkout }) => checkout === 'SELF_SERVICE');
    const price = tier && tiers.getStripePriceId(tier.name);
    if (!price) throw badInput('event', 'needs a tier that is for sale');
    const overage = tiers.getOveragePriceId(tier.name);
    return [{ price, quantity: 1 }, ...(overage ? [{ price: overage }] : [])];
  }

  const heldBy = async (customer: string) =>
    (await stripe.subscriptions.list({ customer, limit: 1 })).data[0];

  const subscribe = (customer: string, tenantId: string, terms: { trial_period_days?: number } = {}) =>
    stripe.subscriptions.create({
      customer,
      items: itemsToBuy(),
      default_payment_method: 'pm_card_visa',
      metadata: { tenant_id: tenantId },
      ...terms,
    });

  const endHeld = async ({ customer }: Scene) => {
    const held = await heldBy(customer);
    if (held) await stripe.subscriptions.cancel(held.id);
  };

  const openSession = ({ customer, tenantId }: Scene) =>
    stripe.checkout.sessions.create({
      mode: 'subscription',
      customer,
      line_items: itemsToBuy(),
      success_url: 'http://localhost/',
      metadata: { tenant_id: tenantId },
      subscription_data: { metadata: { tenant_id: tenantId } },
    });

  /** Days after the checkout the bank says how the payment ended: with a failed one the subscription is over. */
  async function asyncPayment(scene: Scene, outcome: 'succeeded' | 'failed'): Promise<void> {
    await endHeld(scene);
    const { id } = await openSession(scene);
    await mock.checkout.complete(id);
    if (outcome === 'failed') await endHeld(scene);
    await mock.happen(`checkout.session.async_payment_${outcome}`, 'checkout.session', id);
  }

  /** A schedule of the tenant's subscription, made if there is none. */
  async function scheduleOf({ subscription }: Scene): Promise<string> {
    const { id, schedule } = await subscription();
    if (schedule) return typeof schedule === 'string' ? schedule : schedule.id;
    return (await stripe.subscriptionSchedules.create({ from_subscription: id })).id;
  }

  const scheduleHappens = (what: string) => async (scene: Scene) =>
    mock.happen(`subscription_schedule.${what}`, 'subscription_schedule', await scheduleOf(scene));

  /** An invoice of the tenant's that is open, because its payment failed. */
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

  const scenarios: Record<string, (scene: Scene) => Promise<unknown>> = {
    'checkout.session.completed': async (scene) => {
      await endHeld(scene);
      await mock.checkout.complete((await openSession(scene)).id);
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
      await subscribe(scene.customer, scene.tenantId);
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
      await subscribe(scene.customer, scene.tenantId, { trial_period_days: 2 });
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

  async function tenantFor(tenantId: string | null): Promise<string> {
    if (tenantId) return (await tenants.get(tenantId))._id;
    const [oldest] = (await tenants.page({ first: 1 })).tenants;
    if (!oldest) throw badInput('tenantId', 'is needed: there is no tenant yet');
    return oldest._id;
  }

  return async (event, named) => {
    const scenario = Object.hasOwn(scenarios, event) ? scenarios[event] : undefined;
    if (!scenario) throw badInput('event', `must be one of ${Object.keys(scenarios).join(', ')}`);
    const tenantId = await tenantFor(named);
    const { stripeCustomerId } = await customers.ensure(tenantId, null);
    await callingStripe(log, tenantId, () =>
      scenario({
        customer: stripeCustomerId,
        tenantId,
        subscription: async () => (await heldBy(stripeCustomerId)) ?? subscribe(stripeCustomerId, tenantId),
      }),
    );
    return { event, tenantId, stripeCustomerId };
  };
}
