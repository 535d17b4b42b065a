import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import {
  type BillingSubscriptionDoc,
  ENDED,
  type ItemPrice,
  type OverageItem,
  PAUSED_INVOICES,
  type PaymentPause,
  type SubscriptionStatus,
} from '../../../models/billingSubscription.js';
import type { Tiers } from '../../tiers/tiers.js';
import { inCurrentForm } from '../stripe/olderApi.js';
import { idOf } from '../stripe/stripeObjects.js';
import { OVERAGE_PRICE } from '../usageReports/meter.js';
import { customerIdOf } from './fetchedCustomer.js';
import { type ProductTiers, tierNamed } from './productTiers.js';
import { contractOf } from './subscriptionMetadata.js';

/** The stored part of a subscription, as Stripe has it. */
export type SubscriptionState = Omit<
  BillingSubscriptionDoc,
  '_id' | 'asOf' | 'trialReminder' | 'revision' | 'createdAt' | 'updatedAt' | 'unannounced'
>;

/** Maps Stripe's subscriptions to what is stored. Nothing is written, and only products and prices are fetched. */
export interface SubscriptionReader {
  /**
   * @param stored the previous state, for values that Stripe does not report
   * @param pastDueSince when the first payment that is still due failed; null: the previous value, or now
   * @throws Error for a status that this version does not know
   */
  stateOf(
    subscription: Stripe.Subscription,
    stored: BillingSubscriptionDoc | null,
    pastDueSince?: Date | null,
  ): Promise<SubscriptionState>;
  /**
   * Chooses the primary subscription from Stripe's state alone. If two were bought at the same time, the choice does not
   * depend on the order of events, and when one ends the other becomes primary.
   * @param found newest first
   * @returns null if none of them belongs to this server
   */
  primaryOf(
    found: Stripe.Subscription[],
    stored: BillingSubscriptionDoc | null,
  ): Promise<PrimarySubscription | null>;
}

export interface PrimarySubscription {
  subscription: Stripe.Subscription;
  /** Whether it grants a tier now. */
  grantsTier: boolean;
}

/** What a subscription buys. */
interface Bought {
  item: Stripe.SubscriptionItem;
  tier: string;
  /** Stripe's data does not determine the tier: it is the previous tier, or the default tier. */
  outside: boolean;
}

/** The subscription with the lowest rank is primary. */
const RANK: Record<SubscriptionStatus, number> = {
  active: 0,
  trialing: 0,
  past_due: 1,
  unpaid: 2,
  paused: 2,
  incomplete: 2,
  canceled: 4,
  incomplete_expired: 4,
};
/** Between subscriptions that grant a tier and those that do not. */
const RANK_OUTSIDE = 1.5;
/** @throws Error for a status that Stripe added later */
function statusOf({ id, status }: Stripe.Subscription): SubscriptionStatus {
  if (Object.hasOwn(RANK, status)) return status as SubscriptionStatus;
  throw new Error(
    `Subscription ${id} has the status ${status}, which this version does not know; update the server`,
  );
}

const dateOf = (seconds: number | null | undefined): Date | null =>
  seconds ? new Date(seconds * 1000) : null;

function pauseOf({ pause_collection: pause }: Stripe.Subscription): PaymentPause | null {
  if (!pause) return null;
  const invoices = PAUSED_INVOICES.find((known) => known === pause.behavior) ?? null;
  return { invoices, resumesAt: dateOf(pause.resumes_at) };
}

const isMetered = ({ price }: Stripe.SubscriptionItem): boolean => price.recurring?.usage_type === 'metered';

/**
 * A price in steps, or by transformed quantities, has no fixed amount. Stripe shows a price in its own currency, whatever
 * the subscription is paid in: what it costs in others is in the catalogue.
 */
function itemPriceOf({ price }: Stripe.SubscriptionItem, paidIn: string, tiers: Tiers): ItemPrice | null {
  const { unit_amount: cents, unit_amount_decimal: decimal, recurring } = price;
  const currency = paidIn || price.currency;
  const own = cents ?? (decimal == null ? Number.NaN : Number(decimal));
  const unitCents =
    currency === price.currency
      ? own
      : (tiers.getPriceFromPriceId(price.id)?.amounts[currency] ?? Number.NaN);
  // Older servers leave the interval out.
  if (!recurring?.interval || !Number.isFinite(unitCents)) return null;
  return { unitCents, currency, interval: recurring.interval, intervalCount: recurring.interval_count };
}

const hasEnded = ({ status }: Stripe.Subscription): boolean => ENDED.some((ended) => ended === status);

export function createSubscriptionReader(deps: {
  tiers: Tiers;
  products: ProductTiers;
  clock: Clock;
  log: Logger;
}): SubscriptionReader {
  const { tiers, products, clock, log } = deps;
  const orderOf = new Map(tiers.all().map(({ name }, order) => [name, order]));
  /** The catalogue lists tiers from the smallest to the largest. */
  const order = (tier: string): number => orderOf.get(tier) ?? -1;

  /** Finds the tier by the catalogue's prices; the largest tier, if there are several. */
  function listedIn({ items }: Stripe.Subscription): Bought | null {
    const found = items.data.flatMap((item) => {
      const tier = tiers.getTierFromPriceId(item.price.id);
      return tier ? [{ item, tier: tier.name, outside: false }] : [];
    });
    return found.toSorted((a, b) => order(b.tier) - order(a.tier))[0] ?? null;
  }

  /** Finds the tier of a price outside the catalogue, by the metadata of the price or by its product. */
  async function tierByProduct({ price }: Stripe.SubscriptionItem): Promise<string | null> {
    const named = tierNamed(tiers, price.metadata);
    const productId = idOf(price.product);
    return named ?? (productId && products.tierOf(productId));
  }

  async function largestByProduct(licensed: readonly Stripe.SubscriptionItem[]): Promise<Bought | null> {
    let largest: Bought | null = null;
    for (const item of licensed) {
      const tier = await tierByProduct(item);
      if (tier && (!largest || order(tier) > order(largest.tier))) largest = { item, tier, outside: false };
    }
    return largest;
  }

  /**
   * A price outside the catalogue buys the tier of its product, else the previous tier, else the default tier.
   * @returns null for a subscription that ended before it was first stored
   */
  async function boughtBy(
    subscription: Stripe.Subscription,
    stored: BillingSubscriptionDoc | null,
  ): Promise<Bought | null> {
    const listed = listedIn(subscription);
    if (listed) return listed;
    const { id, items, metadata } = subscription;
    const licensed = items.data.filter((item) => !isMetered(item));
    const contract = contractOf(metadata);
    const agreed = contract && tiers.storedNameOf(contract.tier);
    if (agreed && licensed[0]) return { item: licensed[0], tier: agreed, outside: false };
    const known = stored?.stripeSubscriptionId === id ? stored : null;
    const own = known && items.data.find(({ price }) => price.id === known.priceId);
    const item = own ?? licensed[0] ?? items.data[0];
    if (!item || (!known && hasEnded(subscription))) return null;
    if (known && (hasEnded(subscription) || (own && !known.outsideCatalogue)))
      return { item, tier: known.tier, outside: known.outsideCatalogue ?? false };
    const byProduct = await largestByProduct(licensed);
    return byProduct ?? { item, tier: known?.tier ?? tiers.defaultTier.name, outside: true };
  }

  /** @returns the items that bill overage, including items at a price that is no longer for sale */
  function overageItemsIn(
    { id, items }: Stripe.Subscription,
    bought: Stripe.SubscriptionItem,
    stored: BillingSubscriptionDoc | null,
  ): OverageItem[] | null {
    const known = stored?.stripeSubscriptionId === id ? (stored.overageItems ?? []) : [];
    const found = items.data.filter(
      (item) =>
        isMetered(item) &&
        (tiers.isOveragePriceId(item.price.id) ||
          item.price.metadata?.overage === OVERAGE_PRICE.overage ||
          known.some(({ priceId }) => priceId === item.price.id)),
    );
    if (found.length > 1) log.warn({ subscription: id }, 'subscription.overage_billed_twice');
    if (found.length === 0) return null;
    return found.map((item) => ({
      id: item.id,
      priceId: item.price.id,
      since: new Date(item.created * 1000),
      ...(item.current_period_end !== bought.current_period_end && {
        periodStart: new Date(item.current_period_start * 1000),
        periodEnd: new Date(item.current_period_end * 1000),
      }),
    }));
  }

  /** The scheduled tier. If the schedule was not expanded, the stored value of the same schedule is used. */
  function scheduledIn({ schedule }: Stripe.Subscription, stored: BillingSubscriptionDoc | null) {
    if (!schedule)
      return { scheduleId: null, scheduledTier: null, scheduledPriceId: null, scheduledAt: null };
    if (typeof schedule === 'string') {
      const known = stored?.scheduleId === schedule ? stored : null;
      const { scheduledTier = null, scheduledPriceId = null, scheduledAt = null } = known ?? {};
      return { scheduleId: schedule, scheduledTier, scheduledPriceId, scheduledAt };
    }
    const next = schedule.phases.find(({ start_date: at }) => at >= (schedule.current_phase?.end_date ?? 0));
    const priceIds = (next?.items ?? []).map(({ price }) => (typeof price === 'string' ? price : price.id));
    const priceId = priceIds.find((id) => tiers.getTierFromPriceId(id) !== null) ?? null;
    const tier = priceId && tiers.getTierFromPriceId(priceId);
    return {
      scheduleId: schedule.id,
      scheduledTier: tier ? tier.name : null,
      scheduledPriceId: priceId,
      scheduledAt: tier ? dateOf(next?.start_date) : null,
    };
  }

  /**
   * The version in the metadata counts only if the metadata names the same tier: a change of tier in Stripe's portal
   * leaves the old metadata in place.
   */
  function versionOf(
    tier: string,
    priceId: string,
    { id, metadata }: Stripe.Subscription,
    stored: BillingSubscriptionDoc | null,
  ): number {
    const noted = metadata.tier === tier.toLowerCase() ? Number(metadata.tier_version) : Number.NaN;
    const isSame = stored?.stripeSubscriptionId === id && stored.tier === tier;
    return tiers.versionOf(tier, {
      priceId,
      noted: Number.isInteger(noted) ? noted : null,
      known: isSame ? stored.tierVersion : null,
    });
  }

  /**
   * The grace period begins when the payment failed, by Stripe's time; else by the stored time; else now. A mock's clock
   * may be ahead of ours, and the grace period ends by ours.
   */
  function pastDueSinceOf(
    { id, status }: Stripe.Subscription,
    stored: BillingSubscriptionDoc | null,
    failedAt: Date | null,
  ): Date | null {
    if (status !== 'past_due') return null;
    const known = stored?.stripeSubscriptionId === id ? stored.pastDueSince : null;
    const now = new Date(clock.now());
    return failedAt && failedAt <= now ? failedAt : (known ?? now);
  }

  const stateOf: SubscriptionReader['stateOf'] = async (listed, stored, pastDueSince = null) => {
    const subscription = inCurrentForm(listed);
    const { id, metadata } = subscription;
    const status = statusOf(subscription);
    const bought = await boughtBy(subscription, stored);
    if (!bought) throw new Error(`Subscription ${id} has no item that determines a tier`);
    const contract = contractOf(metadata);
    if (contract && !contract.limits) log.warn({ subscription: id }, 'contract.limits_unreadable');
    const known = stored?.stripeSubscriptionId === id ? stored : null;
    const { current_period_start: startS, current_period_end: endS } = bought.item;
    return {
      stripeSubscriptionId: id,
      stripeCustomerId: customerIdOf(subscription),
      tier: bought.tier,
      tierVersion: versionOf(bought.tier, bought.item.price.id, subscription, stored),
      status,
      priceId: bought.item.price.id,
      itemId: bought.item.id,
      quantity: bought.item.quantity ?? 1,
      itemPrice: itemPriceOf(bought.item, subscription.currency, tiers),
      automaticTax: subscription.automatic_tax?.enabled ? true : null,
      overageItems: overageItemsIn(subscription, bought.item, stored),
      currentPeriodStart: dateOf(startS),
      currentPeriodEnd: dateOf(endS),
      cancelAtPeriodEnd: subscription.cancel_at_period_end,
      cancelAt: dateOf(subscription.cancel_at),
      trialEnd: dateOf(subscription.trial_end),
      pause: pauseOf(subscription),
      endedAt: dateOf(subscription.ended_at),
      ...scheduledIn(subscription, stored),
      contract: contract?.id ?? null,
      limits: contract && (contract.limits ?? known?.limits ?? null),
      outsideCatalogue: bought.outside ? true : null,
      pastDueSince: pastDueSinceOf(subscription, stored, pastDueSince),
    };
  };

  const primaryOf: SubscriptionReader['primaryOf'] = async (found, stored) => {
    const candidates: { subscription: Stripe.Subscription; rank: number; order: number }[] = [];
    for (const subscription of found.map(inCurrentForm)) {
      const bought = await boughtBy(subscription, stored);
      if (!bought) continue;
      const rank = RANK[statusOf(subscription)];
      const isDefaultTier = rank < RANK_OUTSIDE && bought.tier === tiers.defaultTier.name;
      candidates.push({
        subscription,
        rank: isDefaultTier ? RANK_OUTSIDE : rank,
        order: hasEnded(subscription) ? 0 : order(bought.tier),
      });
    }
    const paying = candidates.filter(({ rank }) => rank <= RANK_OUTSIDE);
    if (paying.length > 1) {
      const ids = paying.map(({ subscription }) => subscription.id);
      log.warn({ tenantId: stored?._id, ids }, 'subscription.duplicate');
    }
    // `found` is newest first and the sort is stable, so the newest of equals wins.
    const [first] = candidates.toSorted((a, b) => a.rank - b.rank || b.order - a.order);
    return first ? { subscription: first.subscription, grantsTier: first.rank < RANK_OUTSIDE } : null;
  };

  return { stateOf, primaryOf };
}
