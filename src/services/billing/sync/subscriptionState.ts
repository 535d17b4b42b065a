import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import {
  type BillingSubscriptionDoc,
  ENDED,
  type OverageItem,
  type SubscriptionStatus,
} from '../../../models/billingSubscription.js';
import type { Tiers } from '../../tiers/tiers.js';
import { inCurrentForm } from '../stripe/olderApi.js';
import { idOf } from '../stripe/stripeObjects.js';
import { OVERAGE_PRICE } from '../usageReports/meter.js';
import { customerIdOf } from './fetchedCustomer.js';
import { type ProductTiers, tierNamed } from './productTiers.js';
import { contractOf } from './subscriptionMetadata.js';

/** What we keep of a subscription, as Stripe has it. */
export type SubscriptionState = Omit<
  BillingSubscriptionDoc,
  '_id' | 'revision' | 'createdAt' | 'updatedAt' | 'unannounced'
>;

/** Makes of Stripe's subscriptions what we keep of them. Nothing is written, and only products are fetched. */
export interface SubscriptionReader {
  /**
   * @param stored what was known before: it keeps what Stripe does not tell
   * @param pastDueSince when its first payment failed of those that are due; null: what was known before, or now
   * @throws Error for a status that is unknown here
   */
  stateOf(
    subscription: Stripe.Subscription,
    stored: BillingSubscriptionDoc | null,
    pastDueSince?: Date | null,
  ): Promise<SubscriptionState>;
  /**
   * The primary subscription, by what Stripe has and by nothing else: two that were bought at the same time come out
   * the same whatever event comes first, and the end of one brings the other up.
   * @param found the newest first
   * @returns null where none was ever ours
   */
  primaryOf(
    found: Stripe.Subscription[],
    stored: BillingSubscriptionDoc | null,
  ): Promise<PrimarySubscription | null>;
}

export interface PrimarySubscription {
  subscription: Stripe.Subscription;
  /** Whether it gives a tier now. */
  grantsTier: boolean;
}

/** What a subscription buys. */
interface Bought {
  item: Stripe.SubscriptionItem;
  tier: string;
  /** The tier does not follow from what Stripe has: it is the one of before, or the default. */
  outside: boolean;
}

/** Of several subscriptions the one that gives a tier counts. */
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
/** After those that give a tier, and before those that give none. */
const RANK_OUTSIDE = 1.5;
/** @throws Error for a status that Stripe has added since */
function statusOf({ id, status }: Stripe.Subscription): SubscriptionStatus {
  if (Object.hasOwn(RANK, status)) return status as SubscriptionStatus;
  throw new Error(`Subscription ${id} has the status ${status}, which is unknown here`);
}

const dateOf = (seconds: number | null | undefined): Date | null =>
  seconds ? new Date(seconds * 1000) : null;

const isMetered = ({ price }: Stripe.SubscriptionItem): boolean => price.recurring?.usage_type === 'metered';

const hasEnded = ({ status }: Stripe.Subscription): boolean => ENDED.some((ended) => ended === status);

export function createSubscriptionReader(deps: {
  tiers: Tiers;
  products: ProductTiers;
  clock: Clock;
  log: Logger;
}): SubscriptionReader {
  const { tiers, products, clock, log } = deps;
  const orderOf = new Map(tiers.all().map(({ name }, order) => [name, order]));
  /** A tier that the catalogue lists later is more. */
  const order = (tier: string): number => orderOf.get(tier) ?? -1;

  /** By a price of the catalogue; of several the largest tier. */
  function listedIn({ items }: Stripe.Subscription): Bought | null {
    const found = items.data.flatMap((item) => {
      const tier = tiers.getTierFromPriceId(item.price.id);
      return tier ? [{ item, tier: tier.name, outside: false }] : [];
    });
    return found.toSorted((a, b) => order(b.tier) - order(a.tier))[0] ?? null;
  }

  /** The tier that a price outside the catalogue stands for: as it is noted with the price, or by its product. */
  async function tierByProduct({ price }: Stripe.SubscriptionItem): Promise<string | null> {
    const noted = tierNamed(tiers, price.metadata);
    const productId = idOf(price.product);
    return noted ?? (productId && products.tierOf(productId));
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
   * A price outside the catalogue buys what its product stands for, else what was bought before, else nothing.
   * @returns null for a subscription that ended before anything was known of it
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
    if (contract && licensed[0] && tiers.has(contract.tier))
      return { item: licensed[0], tier: contract.tier, outside: false };
    const known = stored?.stripeSubscriptionId === id ? stored : null;
    const own = known && items.data.find(({ price }) => price.id === known.priceId);
    const item = own ?? licensed[0] ?? items.data[0];
    if (!item || (!known && hasEnded(subscription))) return null;
    if (known && (hasEnded(subscription) || (own && !known.outsideCatalogue)))
      return { item, tier: known.tier, outside: known.outsideCatalogue ?? false };
    const byProduct = await largestByProduct(licensed);
    return byProduct ?? { item, tier: known?.tier ?? tiers.defaultTier.name, outside: true };
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
          item.price.metadata?.overage === OVERAGE_PRICE.overage ||
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

  /** A note of another tier is out of date: a change of tiers in Stripe's portal leaves it there. */
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
   * Grace begins when the payment failed: what Stripe says of it, else what was known, else now. A mock's clock may be
   * ahead of ours, and grace ends by ours.
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
    if (!bought) throw new Error(`Subscription ${id} has no item that a tier follows from`);
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
      overageItems: overageItemsIn(subscription, stored),
      currentPeriodStart: dateOf(startS),
      currentPeriodEnd: dateOf(endS),
      cancelAtPeriodEnd: subscription.cancel_at_period_end,
      cancelAt: dateOf(subscription.cancel_at),
      trialEnd: dateOf(subscription.trial_end),
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
      const own = RANK[statusOf(subscription)];
      const grantsTier = own < RANK_OUTSIDE;
      const isNothing = grantsTier && bought.tier === tiers.defaultTier.name;
      candidates.push({
        subscription,
        rank: isNothing ? RANK_OUTSIDE : own,
        order: hasEnded(subscription) ? 0 : order(bought.tier),
      });
    }
    const paying = candidates.filter(({ rank }) => rank <= RANK_OUTSIDE);
    if (paying.length > 1) {
      const ids = paying.map(({ subscription }) => subscription.id);
      log.warn({ tenantId: stored?._id, ids }, 'a customer pays for more than one subscription');
    }
    // The newest come first, and the sort keeps equals in order.
    const [first] = candidates.toSorted((a, b) => a.rank - b.rank || b.order - a.order);
    return first ? { subscription: first.subscription, grantsTier: first.rank < RANK_OUTSIDE } : null;
  };

  return { stateOf, primaryOf };
}
