import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../clock.js';
import {
  type BillingSubscriptionDoc,
  ENDED,
  type OverageItem,
  type SubscriptionStatus,
} from '../../models/billingSubscription.js';
import { FIRST_VERSION, type Tiers } from '../tiers/tiers.js';
import { OVERAGE } from './accountSetup.js';
import { contractOf } from './contractMetadata.js';

/** What we keep of a subscription, as Stripe has it. */
export type SubscriptionState = Omit<
  BillingSubscriptionDoc,
  '_id' | 'revision' | 'createdAt' | 'updatedAt' | 'unannounced'
>;

/** Makes of Stripe's subscriptions what we keep of them. Nothing is fetched or written. */
export interface SubscriptionReader {
  /**
   * @param stored what was known before: it keeps what Stripe does not tell
   * @throws Error for a subscription that has no price of a tier, or a status that is unknown here
   */
  stateOf(subscription: Stripe.Subscription, stored: BillingSubscriptionDoc | null): SubscriptionState;
  /**
   * The one that counts, by what Stripe has and by nothing else: two that were bought at the same time come out the
   * same whatever event comes first, and the end of one brings the other up.
   * @param found the newest first
   */
  foremost(found: Stripe.Subscription[], stored: BillingSubscriptionDoc | null): Stripe.Subscription | null;
}

/** Of several subscriptions the one that gives most counts. */
const RANK: Record<SubscriptionStatus, number> = {
  active: 0,
  trialing: 0,
  past_due: 1,
  unpaid: 2,
  paused: 2,
  incomplete: 2,
  canceled: 3,
  incomplete_expired: 3,
};
/** @throws Error for a status that Stripe has added since */
function statusOf({ id, status }: Stripe.Subscription): SubscriptionStatus {
  if (Object.hasOwn(RANK, status)) return status as SubscriptionStatus;
  throw new Error(`Subscription ${id} has the status ${status}, which is unknown here`);
}

const rankOf = (subscription: Stripe.Subscription): number => RANK[statusOf(subscription)];

const dateOf = (seconds: number | null | undefined): Date | null =>
  seconds ? new Date(seconds * 1000) : null;

const isMetered = ({ price }: Stripe.SubscriptionItem): boolean => price.recurring?.usage_type === 'metered';

export function createSubscriptionReader(deps: {
  tiers: Tiers;
  clock: Clock;
  log: Logger;
}): SubscriptionReader {
  const { tiers, clock, log } = deps;

  /** What it buys; a price that is no longer for sale keeps the tier that it bought. What has ended may have any price. */
  function boughtBy(
    { id, items, status, metadata }: Stripe.Subscription,
    stored: BillingSubscriptionDoc | null,
  ) {
    for (const item of items.data) {
      const tier = tiers.getTierFromPriceId(item.price.id);
      if (tier) return { item, tier: tier.name };
    }
    const contract = contractOf(metadata);
    const licensed = items.data.find((item) => !isMetered(item));
    if (contract && licensed && tiers.has(contract.tier)) return { item: licensed, tier: contract.tier };
    if (stored?.stripeSubscriptionId !== id) return null;
    const over = ENDED.some((ended) => ended === status);
    const item = items.data.find(({ price }) => over || price.id === stored.priceId);
    return item ? { item, tier: stored.tier } : null;
  }

  /** Its parts that bill overage, also at a price that is no longer for sale. */
  function overageItemsIn(
    { id, items }: Stripe.Subscription,
    stored: BillingSubscriptionDoc | null,
  ): OverageItem[] | null {
    const known = stored?.stripeSubscriptionId === id ? (stored.overageItems ?? []) : [];
    const found = items.data.filter(
      (item) =>
        isMetered(item) &&
        (tiers.isOveragePriceId(item.price.id) ||
          item.price.metadata.overage === OVERAGE.overage ||
          known.some(({ priceId }) => priceId === item.price.id)),
    );
    if (found.length > 1) log.warn({ subscription: id }, 'a subscription bills overage more than once');
    if (found.length === 0) return null;
    return found.map((item) => ({
      id: item.id,
      priceId: item.price.id,
      since: new Date(item.created * 1000),
    }));
  }

  /** The tier that comes next. A schedule that is not at hand is the one that is known, or tells nothing. */
  function scheduledIn({ schedule }: Stripe.Subscription, stored: BillingSubscriptionDoc | null) {
    if (!schedule) return { scheduleId: null, scheduledTier: null, scheduledAt: null };
    if (typeof schedule === 'string') {
      const known = stored?.scheduleId === schedule ? stored : null;
      const { scheduledTier = null, scheduledAt = null } = known ?? {};
      return { scheduleId: schedule, scheduledTier, scheduledAt };
    }
    const next = schedule.phases.find(({ start_date: at }) => at >= (schedule.current_phase?.end_date ?? 0));
    const tier = next?.items
      .map(({ price }) => tiers.getTierFromPriceId(typeof price === 'string' ? price : price.id))
      .find((one) => one !== null);
    return {
      scheduleId: schedule.id,
      scheduledTier: tier?.name ?? null,
      scheduledAt: tier ? dateOf(next?.start_date) : null,
    };
  }

  /**
   * A note of another tier is of the one before: who changes tiers in Stripe's portal leaves it there. One that names no
   * version is from before there were any.
   */
  function versionOf(
    tier: string,
    priceId: string,
    { id, metadata }: Stripe.Subscription,
    stored: BillingSubscriptionDoc | null,
  ): number {
    const noted =
      metadata.tier === tier.toLowerCase() ? Number(metadata.tier_version || FIRST_VERSION) : Number.NaN;
    const isSame = stored?.stripeSubscriptionId === id && stored.tier === tier;
    return tiers.versionOf(tier, {
      priceId,
      noted: Number.isInteger(noted) ? noted : null,
      known: isSame ? (stored.tierVersion ?? FIRST_VERSION) : null,
    });
  }

  function stateOf(subscription: Stripe.Subscription, stored: BillingSubscriptionDoc | null) {
    const { id, customer } = subscription;
    const status = statusOf(subscription);
    const bought = boughtBy(subscription, stored);
    if (!bought) throw new Error(`Subscription ${id} has no price of a tier`);
    const contract = contractOf(subscription.metadata);
    const since = stored?.stripeSubscriptionId === id ? stored.pastDueSince : null;
    return {
      stripeSubscriptionId: id,
      stripeCustomerId: typeof customer === 'string' ? customer : customer.id,
      tier: bought.tier,
      tierVersion: versionOf(bought.tier, bought.item.price.id, subscription, stored),
      status,
      priceId: bought.item.price.id,
      itemId: bought.item.id,
      quantity: bought.item.quantity ?? 1,
      overageItems: overageItemsIn(subscription, stored),
      currentPeriodStart: dateOf(bought.item.current_period_start),
      currentPeriodEnd: dateOf(bought.item.current_period_end),
      cancelAtPeriodEnd: subscription.cancel_at_period_end,
      cancelAt: dateOf(subscription.cancel_at),
      trialEnd: dateOf(subscription.trial_end),
      ...scheduledIn(subscription, stored),
      contract: contract?.id ?? null,
      limits: contract?.limits ?? null,
      pastDueSince: status === 'past_due' ? (since ?? new Date(clock.now())) : null,
    };
  }

  function foremost(
    found: Stripe.Subscription[],
    stored: BillingSubscriptionDoc | null,
  ): Stripe.Subscription | null {
    const ours = found.filter(
      (subscription) => subscription.id === stored?.stripeSubscriptionId || boughtBy(subscription, stored),
    );
    const paying = ours.filter((subscription) => rankOf(subscription) < RANK.incomplete);
    if (paying.length > 1) {
      const ids = paying.map(({ id }) => id);
      log.warn({ tenantId: stored?._id, ids }, 'a customer pays for more than one subscription');
    }
    // Stripe lists the newest first, and the sort keeps equals in order.
    return ours.toSorted((a, b) => rankOf(a) - rankOf(b))[0] ?? null;
  }

  return { stateOf, foremost };
}

/** As a person reads it; of an object all that is in it. */
function textOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? 'none');
}

/** `status active, Stripe has canceled`, for each field that differs. */
export function differencesOf(
  stored: BillingSubscriptionDoc,
  state: Partial<BillingSubscriptionDoc>,
): string[] {
  return Object.entries(state).flatMap(([field, value]) => {
    const [ours, theirs] = [stored[field as keyof BillingSubscriptionDoc], value].map(textOf);
    return ours === theirs ? [] : [`${field} ${ours}, Stripe has ${theirs}`];
  });
}
