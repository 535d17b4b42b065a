import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { TierDefinition } from '../../../catalogue/catalogue.js';
import { isMonthly } from '../../../catalogue/prices.js';
import { badInput, serviceUnavailable } from '../../../common/errors.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import type { AuditLog } from '../../audit/auditLog.js';
import type { Author } from '../../audit/author.js';
import type { Tiers } from '../../tiers/tiers.js';
import { type Customer, type Customers, digest } from '../customers/customers.js';
import { callingStripe } from '../stripe/stripeErrors.js';
import { tierMetadata } from '../sync/subscriptionMetadata.js';
import type { CurrentSubscriptions } from './currentSubscriptions.js';
import type { PurchaseTerms } from './purchaseTerms.js';
import type { SeatUse } from './seatUse.js';
import {
  NO_TERMS,
  presentTermsOf,
  rejectContract,
  type Sale,
  saleOf,
  type WantedPrice,
} from './selfService.js';
import { endsWithPeriod, isEnding, type SubscriptionChanges } from './subscriptionChanges.js';

export type { BillingSubscriptionDoc };

export interface CheckoutRequest extends WantedPrice {
  successUrl: string;
  cancelUrl: string;
  customerEmail?: string | null | undefined;
}

export interface Checkout {
  id: string;
  url: string;
}

/** What tenants do with their subscription. Each request to Stripe has an idempotency key, so a retry repeats nothing. */
export interface Subscriptions {
  findMany(tenantIds: readonly string[]): Promise<(BillingSubscriptionDoc | null)[]>;
  /** Starts a checkout. The same request again returns the same checkout while it is unpaid. */
  checkout(tenantId: string, request: CheckoutRequest, author: Author): Promise<Checkout>;
  /** Closes an open checkout page. @returns whether there was one, which may have been paid */
  closeCheckout(customer: Customer): Promise<boolean>;
  cancel(tenantId: string, atPeriodEnd: boolean, author: Author): Promise<BillingSubscriptionDoc>;
  /** Undoes a scheduled cancellation or change of tier, or resumes a paused subscription. */
  resume(tenantId: string, author: Author): Promise<BillingSubscriptionDoc>;
}

/** An attempt fails when another checkout or a payment happens at the same time. */
const MAX_TRIES = 5;

export function createSubscriptions(deps: {
  models: Models;
  stripe: Stripe;
  tiers: Tiers;
  customers: Customers;
  currentSubscriptions: CurrentSubscriptions;
  changes: SubscriptionChanges;
  seatUse: SeatUse;
  purchaseTerms: PurchaseTerms;
  auditLog: AuditLog;
  log: Logger;
}): Subscriptions {
  const { models, stripe, tiers, customers, currentSubscriptions, changes, seatUse, auditLog, log } = deps;
  const { purchaseTerms } = deps;

  async function rejectSecond(tenantId: string): Promise<void> {
    const paid = await currentSubscriptions.fetch(tenantId);
    if (!paid) return;
    const problem = paid.outsideCatalogue
      ? `There is a subscription already (${paid.status}), at the price ${paid.priceId}, which is not in the catalogue; use createPortalSession to manage it, or changeTier to move it to a tier`
      : `There is a subscription to ${tiers.publicNameOf(paid.tier)} already (${paid.status}); use changeTier to move to another tier`;
    throw badInput('input.tier', problem);
  }

  /** The requested email; else the tenant's, unless the customer already has one. */
  async function emailFor(tenantId: string, { customerEmail }: CheckoutRequest): Promise<string | null> {
    if (customerEmail) return customerEmail;
    if ((await customers.find(tenantId))?.email) return null;
    const tenant = await models.tenants.findById(tenantId, { email: 1 }).lean<{ email: string | null }>();
    return tenant?.email ?? null;
  }

  /** The tenant's subscription, which has ended, or it would need no checkout. */
  const formerOf = (tenantId: string) =>
    models.billingSubscriptions.findById(tenantId).lean<BillingSubscriptionDoc>();

  /** Of an earlier subscription only the currency stays. */
  const saleFor = (request: CheckoutRequest, former: BillingSubscriptionDoc | null): Sale =>
    saleOf(tiers, request, { ...NO_TERMS, currency: presentTermsOf(tiers, former).currency }, 'input.');

  /** Each tenant gets one trial: a tenant that ever had a subscription pays from the first day. */
  const trialDaysOf = (tier: string, former: BillingSubscriptionDoc | null): number =>
    former ? 0 : tiers.get(tier).trialDays;

  /** The checkout's parameters. The hash covers all of them, because one idempotency key must mean one request. */
  function purchase(
    { _id: tenantId, stripeCustomerId }: Customer,
    request: CheckoutRequest,
    { priceId, price, quantity, currency, overagePriceId }: Sale,
    trialDays: number,
  ) {
    const metadata = { tenant_id: tenantId, ...tierMetadata(tiers.get(request.tier)) };
    const params: Stripe.Checkout.SessionCreateParams = {
      mode: 'subscription',
      customer: stripeCustomerId,
      line_items: [{ price: priceId, quantity }, ...(overagePriceId ? [{ price: overagePriceId }] : [])],
      ...(currency !== tiers.catalogue.currency && { currency }),
      success_url: withSessionId(request.successUrl),
      cancel_url: request.cancelUrl,
      client_reference_id: tenantId,
      metadata,
      ...withTrial(
        {
          metadata,
          // Calls past the quota are billed each month, whatever the tier's interval is.
          ...(!isMonthly(price) && { billing_mode: { type: 'flexible' as const } }),
          ...purchaseTerms.checkoutSubscription,
        },
        tiers.get(request.tier),
        trialDays,
      ),
      allow_promotion_codes: tiers.get(request.tier).promotionCodes,
      ...purchaseTerms.checkout,
    };
    return { request, params, hash: digest(params) };
  }
  type Purchase = ReturnType<typeof purchase>;

  /** Throws for a session that Stripe does not show: the key may be wrong, and the session may still be open. */
  const statusOf = async (sessionId: string): Promise<string | null> =>
    (await stripe.checkout.sessions.retrieve(sessionId)).status;

  /** Afterwards the session can no longer be paid, or was paid. */
  async function close(sessionId: string): Promise<void> {
    try {
      // Without an idempotency key: closing twice is harmless, and Stripe would repeat a failure for a day.
      await stripe.checkout.sessions.expire(sessionId);
    } catch (error) {
      // Stripe rejects this for a session that was just paid or has expired.
      if ((await statusOf(sessionId)) === 'open') throw error;
    }
  }

  /** Closes and forgets the tenant's last checkout, unless it is open for this purchase. @returns whether it is */
  async function isOpenFor(
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

  /** @returns null if another checkout was started at the same time: only one may be open, so this one was closed */
  async function begin(
    customer: Customer,
    { request, params, hash }: Purchase,
    author: Author,
  ): Promise<Checkout | null> {
    const { tier, customerEmail = null } = request;
    const { _id, intents: attempts } = customer;
    // The count of attempts is in the key: two clicks are one request, the next checkout is another.
    const session = await customers.attempt(customer, (attemptKey) =>
      stripe.checkout.sessions.create(params, { idempotencyKey: `checkout:${attemptKey}:${hash}` }),
    );
    const checkout = { id: session.id, url: session.url ?? '' };
    const expiresAt = new Date(session.expires_at * 1000);
    const openCheckout = { sessionId: session.id, url: checkout.url, tier, requestHash: hash, expiresAt };
    const isStored = await auditLog.change(author, async (session, note) => {
      const stored = await models.billingCustomers.updateOne(
        { _id, intents: attempts },
        { $set: { openCheckout }, $inc: { intents: 1 } },
        { session },
      );
      if (stored.matchedCount === 0) return false;
      note({
        tenantId: _id,
        action: 'checkout.created',
        before: null,
        after: { sessionId: checkout.id, tier, customerEmail, expiresAt },
        personal: ['customerEmail'],
      });
      return true;
    });
    if (isStored) return checkout;
    const latest = await customers.find(_id);
    if (latest?.openCheckout?.sessionId === session.id) return checkout;
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

    async checkout(tenantId, request, author) {
      // Before any request to Stripe.
      const { quantity } = saleFor(request, await formerOf(tenantId));
      await seatUse.check(tenantId, tiers.get(request.tier), quantity, 'input.seats');
      return callingStripe(log, tenantId, async () => {
        for (let tries = 0; tries < MAX_TRIES; tries++) {
          await rejectSecond(tenantId);
          const customer = await customers.ensure(tenantId, await emailFor(tenantId, request));
          const former = await formerOf(tenantId);
          const wanted = purchase(
            customer,
            request,
            saleFor(request, former),
            trialDaysOf(request.tier, former),
          );
          const open = customer.openCheckout;
          if (open) {
            if (await isOpenFor(tenantId, open, wanted)) return { id: open.sessionId, url: open.url };
            // It may have been paid before it was closed, so check again before another one opens.
            continue;
          }
          const checkout = await begin(customer, wanted, author);
          if (checkout) return checkout;
        }
        throw serviceUnavailable('Other checkouts were started at the same time; try again');
      });
    },

    async closeCheckout({ _id, openCheckout }) {
      if (openCheckout) await isOpenFor(_id, openCheckout, null);
      return openCheckout !== null;
    },

    cancel(tenantId, atPeriodEnd, author) {
      return callingStripe(log, tenantId, () =>
        currentSubscriptions.change(
          tenantId,
          {
            isEnd: true,
            plan(subscription) {
              rejectContract(subscription);
              if (!atPeriodEnd) return () => changes.cancelNow(subscription);
              return endsWithPeriod(subscription) ? null : () => changes.cancelAtPeriodEnd(subscription);
            },
          },
          author,
        ),
      );
    },

    resume(tenantId, author) {
      return callingStripe(log, tenantId, () =>
        currentSubscriptions.change(
          tenantId,
          {
            isEnd: false,
            plan(subscription, isRetry) {
              rejectContract(subscription);
              if (subscription.status === 'paused') return () => changes.unpause(subscription);
              if (isEnding(subscription) || subscription.scheduledTier)
                return () => changes.undoScheduled(subscription);
              if (isRetry) return null;
              throw badInput(
                'subscription',
                'has no scheduled cancellation or change; there is nothing to resume',
              );
            },
          },
          author,
        ),
      );
    },
  };
}

/** A checkout that asks for no card says what happens when the trial ends without one. */
function withTrial(
  data: Stripe.Checkout.SessionCreateParams.SubscriptionData,
  { trialRequiresCard, trialEndWithoutCard }: TierDefinition,
  trialDays: number,
): Pick<Stripe.Checkout.SessionCreateParams, 'payment_method_collection' | 'subscription_data'> {
  if (trialDays === 0) return { subscription_data: data };
  const trial = { ...data, trial_period_days: trialDays };
  if (trialRequiresCard) return { subscription_data: trial };
  const endBehavior = { missing_payment_method: END_WITHOUT_CARD[trialEndWithoutCard] };
  return {
    payment_method_collection: 'if_required',
    subscription_data: { ...trial, trial_settings: { end_behavior: endBehavior } },
  };
}

const END_WITHOUT_CARD = { CANCEL: 'cancel', PAUSE: 'pause', INVOICE: 'create_invoice' } as const;

const SESSION_ID = '{CHECKOUT_SESSION_ID}';

/** Adds Stripe's placeholder for the session id, which must not be URL-encoded. */
function withSessionId(successUrl: string): string {
  if (successUrl.includes(SESSION_ID)) return successUrl;
  const fragmentAt = successUrl.indexOf('#');
  const end = fragmentAt < 0 ? successUrl.length : fragmentAt;
  const beforeFragment = successUrl.slice(0, end);
  const separator = beforeFragment.includes('?') ? '&' : '?';
  return `${beforeFragment}${separator}session_id=${SESSION_ID}${successUrl.slice(end)}`;
}
