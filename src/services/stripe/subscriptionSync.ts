import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../clock.js';
import type { BillingSubscriptionDoc } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';
import type { Tiers } from '../tiers/tiers.js';
import type { Customers } from './customers.js';
import { isMissing } from './stripeErrors.js';

/** Writes subscriptions as Stripe has them now, whatever event made us look. */
export interface SubscriptionSync {
  /** Fetches and writes. @returns why there was nothing to write, or null */
  sync(stripeSubscriptionId: string): Promise<string | null>;
  /**
   * Changes a subscription at Stripe and writes the answer, unless something else wrote in between: then it fetches.
   * @param change gets the stored state, makes the call
   */
  change(
    subscription: BillingSubscriptionDoc,
    change: (subscription: BillingSubscriptionDoc) => Promise<Stripe.Subscription>,
  ): Promise<BillingSubscriptionDoc>;
}

/** Nothing more comes of a subscription in these: the next one takes its place. */
const ENDED = ['canceled', 'incomplete_expired'];
const MAX_TRIES = 20;
const DUPLICATE_KEY = 11_000;

const dateOf = (seconds: number | null | undefined): Date | null =>
  seconds ? new Date(seconds * 1000) : null;

export function createSubscriptionSync(deps: {
  models: Models;
  stripe: Stripe;
  tiers: Tiers;
  customers: Customers;
  clock: Clock;
  log: Logger;
  /** Tells the caches that a tenant's tier may have changed. */
  changed: (tenantId: string) => void;
}): SubscriptionSync {
  const { models, stripe, tiers, customers, clock, log } = deps;
  const subscriptions = models.billingSubscriptions;

  function stateOf(subscription: Stripe.Subscription, stored: BillingSubscriptionDoc | null) {
    const item = subscription.items.data[0];
    const priceId = item?.price.id ?? '';
    const tier = tiers.getTierFromPriceId(priceId);
    if (!tier)
      throw new Error(`Subscription ${subscription.id} has the price ${priceId}, which is no tier's`);
    const status = subscription.status;
    const sameSubscription = stored?.stripeSubscriptionId === subscription.id;
    const since = sameSubscription ? stored.pastDueSince : null;
    return {
      stripeSubscriptionId: subscription.id,
      stripeCustomerId:
        typeof subscription.customer === 'string' ? subscription.customer : subscription.customer.id,
      tier: tier.name,
      status,
      priceId,
      currentPeriodStart: dateOf(item?.current_period_start),
      currentPeriodEnd: dateOf(item?.current_period_end),
      cancelAtPeriodEnd: subscription.cancel_at_period_end,
      cancelAt: dateOf(subscription.cancel_at),
      trialEnd: dateOf(subscription.trial_end),
      pastDueSince: status === 'past_due' ? (since ?? new Date(clock.now())) : null,
    };
  }

  /** @returns false when something else wrote since `stored` was read */
  async function write(
    tenantId: string,
    stored: BillingSubscriptionDoc | null,
    subscription: Stripe.Subscription,
  ): Promise<boolean> {
    const state = stateOf(subscription, stored);
    try {
      const result = stored
        ? await subscriptions.updateOne(
            { _id: tenantId, revision: stored.revision },
            { $set: state, $inc: { revision: 1 } },
          )
        : await subscriptions.updateOne(
            { _id: tenantId, revision: 1 },
            { $setOnInsert: state },
            { upsert: true },
          );
      const landed = stored ? result.matchedCount === 1 : result.upsertedCount === 1;
      if (landed) deps.changed(tenantId);
      return landed;
    } catch (error) {
      if ((error as { code?: number }).code === DUPLICATE_KEY) return false;
      throw error;
    }
  }

  async function fetch(id: string): Promise<Stripe.Subscription | null> {
    try {
      return await stripe.subscriptions.retrieve(id);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** A subscription takes another's place only when that has ended, or when it began later and is not over itself. */
  function ownsThePlace(stored: BillingSubscriptionDoc | null, subscription: Stripe.Subscription): boolean {
    if (!stored || stored.stripeSubscriptionId === subscription.id) return true;
    return ENDED.includes(stored.status) && !ENDED.includes(subscription.status);
  }

  async function tenantOf(subscription: Stripe.Subscription): Promise<string | null> {
    const customerId =
      typeof subscription.customer === 'string' ? subscription.customer : subscription.customer.id;
    const tenantId = (await customers.tenantOf(customerId)) ?? subscription.metadata.tenant_id ?? null;
    return tenantId && (await models.tenants.exists({ _id: tenantId })) ? tenantId : null;
  }

  async function sync(stripeSubscriptionId: string): Promise<string | null> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const known = await subscriptions.findOne({ stripeSubscriptionId }).lean<BillingSubscriptionDoc>();
      // Read before the fetch: if another writes in between, this write does not land and is made anew.
      const before = known ?? undefined;
      const subscription = await fetch(stripeSubscriptionId);
      if (!subscription) return 'Stripe has no such subscription';
      const tenantId = known?._id ?? (await tenantOf(subscription));
      if (!tenantId) return 'the subscription belongs to no tenant';
      const stored = before ?? (await subscriptions.findById(tenantId).lean<BillingSubscriptionDoc>());
      if (!ownsThePlace(stored, subscription)) {
        log.warn({ tenantId, stripeSubscriptionId }, 'a second subscription of a tenant was left aside');
        return 'the tenant has another subscription';
      }
      if (await write(tenantId, stored, subscription)) return null;
    }
    throw new Error(`Subscription ${stripeSubscriptionId} changed too often while it was written`);
  }

  return {
    sync,

    async change(subscription, change) {
      const changed = await change(subscription);
      if (!(await write(subscription._id, subscription, changed))) await sync(changed.id);
      return (await subscriptions
        .findById(subscription._id)
        .lean<BillingSubscriptionDoc>()) as BillingSubscriptionDoc;
    },
  };
}
