import type { Logger } from 'pino';
import type Stripe from 'stripe';
import { badInput, serviceUnavailable } from '../../../common/errors.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import type { Tiers } from '../../tiers/tiers.js';
import { type Customer, type Customers, digest } from '../customers/customers.js';
import { callingStripe } from '../stripe/stripeErrors.js';
import { tierMetadata } from '../sync/subscriptionMetadata.js';
import type { CurrentSubscriptions } from './currentSubscriptions.js';
import { priceForSale, rejectContract } from './selfService.js';
import { endsWithPeriod, isEnding, type SubscriptionChanges } from './subscriptionChanges.js';

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
  /** Whatever page to pay at is open is closed. @returns whether there was one: it may have been paid */
  closeCheckout(customer: Customer): Promise<boolean>;
  cancel(tenantId: string, atPeriodEnd: boolean): Promise<BillingSubscriptionDoc>;
  /** Takes a scheduled cancellation or change of tier back, or takes up a paused subscription. */
  resume(tenantId: string): Promise<BillingSubscriptionDoc>;
}

/** Each time another checkout or a payment came in between. */
const MAX_TRIES = 5;

export function createSubscriptions(deps: {
  models: Models;
  stripe: Stripe;
  tiers: Tiers;
  customers: Customers;
  currentSubscriptions: CurrentSubscriptions;
  changes: SubscriptionChanges;
  log: Logger;
}): Subscriptions {
  const { models, stripe, tiers, customers, currentSubscriptions, changes, log } = deps;

  async function rejectSecond(tenantId: string): Promise<void> {
    const paid = await currentSubscriptions.fetch(tenantId);
    if (!paid) return;
    const problem = paid.outsideCatalogue
      ? `There is a subscription already (${paid.status}), at the price ${paid.priceId}, which is not in the catalogue; use createPortalSession to look after it, or changeTier to move it to a tier`
      : `There is a subscription to ${paid.tier} already (${paid.status}); use changeTier to move to another tier`;
    throw badInput('input.tier', problem);
  }

  /** What was asked for; else the tenant's own, unless the customer has one. */
  async function emailFor(tenantId: string, { customerEmail }: CheckoutRequest): Promise<string | null> {
    if (customerEmail) return customerEmail;
    if ((await customers.find(tenantId))?.email) return null;
    const tenant = await models.tenants.findById(tenantId, { email: 1 }).lean<{ email: string | null }>();
    return tenant?.email ?? null;
  }

  /** A tenant tries once: whoever had a subscription, to any tier, pays from the first day. */
  async function trialDaysOf(tenantId: string, tier: string): Promise<number> {
    const { trialDays } = tiers.get(tier);
    return trialDays > 0 && (await models.billingSubscriptions.exists({ _id: tenantId })) ? 0 : trialDays;
  }

  /** What is asked of Stripe. The hash is of all of it: one idempotency key means one request. */
  function purchase(
    { _id: tenantId, stripeCustomerId }: Customer,
    request: CheckoutRequest,
    price: string,
    trialDays: number,
  ) {
    const metadata = { tenant_id: tenantId, ...tierMetadata(tiers.get(request.tier)) };
    const overagePrice = tiers.getOveragePriceId(request.tier);
    const params: Stripe.Checkout.SessionCreateParams = {
      mode: 'subscription',
      customer: stripeCustomerId,
      line_items: [{ price, quantity: 1 }, ...(overagePrice ? [{ price: overagePrice }] : [])],
      success_url: withSessionId(request.successUrl),
      cancel_url: request.cancelUrl,
      client_reference_id: tenantId,
      metadata,
      subscription_data: { metadata, ...(trialDays > 0 && { trial_period_days: trialDays }) },
      allow_promotion_codes: tiers.get(request.tier).promotionCodes,
      billing_address_collection: 'auto',
    };
    return { tier: request.tier, params, hash: digest(params) };
  }
  type Purchase = ReturnType<typeof purchase>;

  /** One that Stripe does not show may still be open to be paid: it is not forgotten for a key of another account. */
  const statusOf = async (sessionId: string): Promise<string | null> =>
    (await stripe.checkout.sessions.retrieve(sessionId)).status;

  /** After it the session can be paid no more, or was. */
  async function close(sessionId: string): Promise<void> {
    try {
      // Without a key of ours: closed twice is closed, and Stripe would repeat a failure under the key for a day.
      await stripe.checkout.sessions.expire(sessionId);
    } catch (error) {
      // Stripe refuses to close one that was paid or has expired in this moment.
      if ((await statusOf(sessionId)) === 'open') throw error;
    }
  }

  /** @returns whether the checkout that was begun last waits for this purchase; else it is closed and put away */
  async function stillWaits(
    tenantId: string,
    open: NonNullable<Customer['openCheckout']>,
    wanted: Purchase | null,
  ): Promise<boolean> {
    const { sessionId } = open;
    if ((await statusOf(sessionId)) === 'open') {
      if (open.requestHash === wanted?.hash) return true;
      await close(sessionId);
    }
    await models.billingCustomers.updateOne(
      { _id: tenantId, 'openCheckout.sessionId': sessionId },
      { $set: { openCheckout: null } },
    );
    return false;
  }

  /** @returns null when another checkout was begun at the same time: only one may be open, so this one was closed */
  async function begin(customer: Customer, { tier, params, hash }: Purchase): Promise<Checkout | null> {
    const { _id, intents } = customer;
    // The count makes the intent: two clicks are one, the next checkout after it is another.
    const session = await customers.attempt(customer, (intent) =>
      stripe.checkout.sessions.create(params, { idempotencyKey: `checkout:${intent}:${hash}` }),
    );
    const checkout = { id: session.id, url: session.url ?? '' };
    const expiresAt = new Date(session.expires_at * 1000);
    const openCheckout = { sessionId: session.id, url: checkout.url, tier, requestHash: hash, expiresAt };
    const landed = await models.billingCustomers.updateOne(
      { _id, intents },
      { $set: { openCheckout }, $inc: { intents: 1 } },
    );
    if (landed.matchedCount === 1) return checkout;
    const stored = await customers.find(_id);
    if (stored?.openCheckout?.sessionId === session.id) return checkout;
    await close(session.id);
    return null;
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
      const priceId = priceForSale(tiers, request.tier, 'input.tier');
      return callingStripe(log, tenantId, async () => {
        for (let tries = 0; tries < MAX_TRIES; tries++) {
          await rejectSecond(tenantId);
          const customer = await customers.ensure(tenantId, await emailFor(tenantId, request));
          const wanted = purchase(customer, request, priceId, await trialDaysOf(tenantId, request.tier));
          const open = customer.openCheckout;
          if (open) {
            if (await stillWaits(tenantId, open, wanted)) return { id: open.sessionId, url: open.url };
            // It may have been paid until it was closed: look again before another one opens.
            continue;
          }
          const checkout = await begin(customer, wanted);
          if (checkout) return checkout;
        }
        throw serviceUnavailable('Other checkouts were begun at the same time; try again');
      });
    },

    async closeCheckout({ _id, openCheckout }) {
      if (openCheckout) await stillWaits(_id, openCheckout, null);
      return openCheckout !== null;
    },

    cancel(tenantId, atPeriodEnd) {
      return callingStripe(log, tenantId, () =>
        currentSubscriptions.change(tenantId, {
          isEnd: true,
          plan(subscription) {
            rejectContract(subscription);
            if (!atPeriodEnd) return () => changes.cancelNow(subscription);
            return endsWithPeriod(subscription) ? null : () => changes.cancelAtPeriodEnd(subscription);
          },
        }),
      );
    },

    resume(tenantId) {
      return callingStripe(log, tenantId, () =>
        currentSubscriptions.change(tenantId, {
          isEnd: false,
          plan(subscription, isBehind) {
            rejectContract(subscription);
            if (subscription.status === 'paused') return () => changes.unpause(subscription);
            if (isEnding(subscription) || subscription.scheduledTier) return () => changes.keep(subscription);
            if (isBehind) return null;
            throw badInput('subscription', 'is not scheduled to be cancelled; there is nothing to resume');
          },
        }),
      );
    },
  };
}

const SESSION_ID = '{CHECKOUT_SESSION_ID}';

/** Stripe fills the placeholder in; it must not be encoded. */
function withSessionId(successUrl: string): string {
  if (successUrl.includes(SESSION_ID)) return successUrl;
  const fragmentAt = successUrl.indexOf('#');
  const end = fragmentAt < 0 ? successUrl.length : fragmentAt;
  const beforeFragment = successUrl.slice(0, end);
  const separator = beforeFragment.includes('?') ? '&' : '?';
  return `${beforeFragment}${separator}session_id=${SESSION_ID}${successUrl.slice(end)}`;
}
