import { createHash } from 'node:crypto';
import type Stripe from 'stripe';
import type { Clock } from '../../clock.js';
import { badInput } from '../../errors.js';
import type { BillingCustomerDoc } from '../../models/billingCustomer.js';
import type { BillingSubscriptionDoc } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';
import type { Customers } from '../stripe/customers.js';
import { callingStripe, isMissing } from '../stripe/stripeErrors.js';
import type { SubscriptionSync } from '../stripe/subscriptionSync.js';
import type { Tiers } from '../tiers/tiers.js';

export type { BillingSubscriptionDoc };

export interface CheckoutRequest {
  tier: string;
  successUrl: string;
  cancelUrl: string;
  customerEmail?: string | null | undefined;
}

export interface Checkout {
  id: string;
  url: string;
}

/** What tenants do with their subscription. Each call to Stripe carries a key made of what it does, so a retry repeats nothing. */
export interface Subscriptions {
  findMany(tenantIds: readonly string[]): Promise<(BillingSubscriptionDoc | null)[]>;
  /** Asking again for the same while it is unpaid gives the same checkout. */
  checkout(tenantId: string, request: CheckoutRequest): Promise<Checkout>;
  cancel(tenantId: string, atPeriodEnd: boolean): Promise<BillingSubscriptionDoc>;
  /** Takes a scheduled cancellation back. */
  resume(tenantId: string): Promise<BillingSubscriptionDoc>;
}

const ENDED = ['canceled', 'incomplete_expired'];

export function createSubscriptions(deps: {
  models: Models;
  stripe: Stripe;
  tiers: Tiers;
  customers: Customers;
  sync: SubscriptionSync;
  clock: Clock;
}): Subscriptions {
  const { models, stripe, tiers, customers, sync, clock } = deps;

  async function current(tenantId: string): Promise<BillingSubscriptionDoc | null> {
    const doc = await models.billingSubscriptions.findById(tenantId).lean<BillingSubscriptionDoc>();
    return doc && !ENDED.includes(doc.status) ? doc : null;
  }

  async function needCurrent(tenantId: string): Promise<BillingSubscriptionDoc> {
    const doc = await current(tenantId);
    if (!doc)
      throw badInput('subscription', 'there is no paid subscription; begin one with createCheckoutSession');
    return doc;
  }

  /** @returns the Stripe price of a tier that can be bought by checkout */
  function priceToBuy(tier: string): string {
    const words = tier.toLowerCase();
    switch (tiers.get(tier).checkout) {
      case 'NONE':
        throw badInput('input.tier', `The ${words} tier does not require checkout`);
      case 'CONTACT_SALES':
        throw badInput('input.tier', `The ${words} tier has custom pricing, contact sales`);
      case 'SELF_SERVICE': {
        const priceId = tiers.getStripePriceId(tier);
        if (!priceId) throw badInput('input.tier', `The ${words} tier is not for sale here`);
        return priceId;
      }
    }
  }

  /** The checkout that waits for the same purchase; one for another purchase is expired. */
  async function reuseOpen(customer: BillingCustomerDoc, requestHash: string): Promise<Checkout | null> {
    const open = customer.openCheckout;
    if (!open || open.expiresAt.getTime() <= clock.now()) return null;
    const session = await stripe.checkout.sessions.retrieve(open.sessionId).catch((error: unknown) => {
      if (isMissing(error)) return null;
      throw error;
    });
    if (session?.status !== 'open') return null;
    if (open.requestHash === requestHash) return { id: open.sessionId, url: open.url };
    await stripe.checkout.sessions.expire(open.sessionId, undefined, {
      idempotencyKey: `expire:${open.sessionId}`,
    });
    return null;
  }

  async function begin(
    customer: BillingCustomerDoc & { stripeCustomerId: string },
    request: CheckoutRequest,
    priceId: string,
    requestHash: string,
  ): Promise<Checkout> {
    const tenantId = customer._id;
    const metadata = { tenant_id: tenantId, tier: request.tier.toLowerCase() };
    const session = await stripe.checkout.sessions.create(
      {
        mode: 'subscription',
        customer: customer.stripeCustomerId,
        line_items: [{ price: priceId, quantity: 1 }],
        success_url: withSessionId(request.successUrl),
        cancel_url: request.cancelUrl,
        client_reference_id: tenantId,
        metadata,
        subscription_data: { metadata },
        allow_promotion_codes: true,
        billing_address_collection: 'auto',
      },
      // The count makes the intent: two clicks are one, the next checkout after it is another.
      { idempotencyKey: `checkout:${tenantId}:${customer.checkoutCount}:${requestHash}` },
    );
    const url = session.url ?? '';
    const expiresAt = new Date(session.expires_at * 1000);
    await models.billingCustomers.updateOne(
      { _id: tenantId, checkoutCount: customer.checkoutCount },
      {
        $set: { openCheckout: { sessionId: session.id, url, tier: request.tier, requestHash, expiresAt } },
        $inc: { checkoutCount: 1 },
      },
    );
    return { id: session.id, url };
  }

  return {
    async findMany(tenantIds) {
      const found = await models.billingSubscriptions
        .find({ _id: { $in: tenantIds } })
        .lean<BillingSubscriptionDoc[]>();
      const byId = new Map(found.map((doc) => [doc._id, doc]));
      return tenantIds.map((id) => byId.get(id) ?? null);
    },

    async checkout(tenantId, request) {
      const priceId = priceToBuy(request.tier);
      const paid = await current(tenantId);
      if (paid) {
        throw badInput(
          'input.tier',
          `There is a subscription to ${paid.tier} already (${paid.status}); use changeTier to move to another tier`,
        );
      }
      const tenant = await models.tenants.findById(tenantId, { email: 1 }).lean<{ email: string | null }>();
      const email = request.customerEmail ?? tenant?.email ?? null;
      const requestHash = hashOf([request.tier, request.successUrl, request.cancelUrl]);
      return callingStripe(async () => {
        const customer = await customers.ensure(tenantId, email);
        return (
          (await reuseOpen(customer, requestHash)) ?? (await begin(customer, request, priceId, requestHash))
        );
      });
    },

    async cancel(tenantId, atPeriodEnd) {
      const doc = await needCurrent(tenantId);
      if (atPeriodEnd && doc.cancelAtPeriodEnd) return doc;
      const options = { idempotencyKey: `cancel:${doc.stripeSubscriptionId}:${atPeriodEnd}:${doc.revision}` };
      return callingStripe(() =>
        sync.change(doc, ({ stripeSubscriptionId: id }) =>
          atPeriodEnd
            ? stripe.subscriptions.update(id, { cancel_at_period_end: true }, options)
            : stripe.subscriptions.cancel(id, {}, options),
        ),
      );
    },

    async resume(tenantId) {
      const doc = await needCurrent(tenantId);
      if (!doc.cancelAtPeriodEnd && !doc.cancelAt) {
        throw badInput('subscription', 'is not scheduled to be cancelled; there is nothing to resume');
      }
      const options = { idempotencyKey: `resume:${doc.stripeSubscriptionId}:${doc.revision}` };
      return callingStripe(() =>
        sync.change(doc, ({ stripeSubscriptionId: id, cancelAtPeriodEnd }) =>
          // Under flexible billing the portal schedules by date alone; either is cleared.
          stripe.subscriptions.update(
            id,
            cancelAtPeriodEnd ? { cancel_at_period_end: false } : { cancel_at: '' },
            options,
          ),
        ),
      );
    },
  };
}

const hashOf = (parts: string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 24);

/** Stripe fills the placeholder in; it must not be encoded. */
function withSessionId(successUrl: string): string {
  const [beforeFragment, fragment] = successUrl.split('#', 2) as [string, string | undefined];
  const separator = beforeFragment.includes('?') ? '&' : '?';
  return `${beforeFragment}${separator}session_id={CHECKOUT_SESSION_ID}${fragment === undefined ? '' : `#${fragment}`}`;
}
