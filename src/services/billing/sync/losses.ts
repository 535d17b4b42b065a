import { type BillingSubscriptionDoc, ENDED, GRANTING } from '../../../models/billingSubscription.js';
import type { Tiers } from '../../tiers/tiers.js';
import type { SubscriptionState } from './subscriptionState.js';

/** What a tenant would lose, or get, if another state of its subscription was written. */
export interface Losses {
  /**
   * Whether the state gives a paid tier, and no less of one than the stored subscription. Anything else may depend on the
   * customer's other subscriptions.
   */
  keepsTier(stored: BillingSubscriptionDoc | null, state: SubscriptionState): boolean;
  /** Whether the state keeps the tier on the same or better terms, and gives something that the stored one does not. */
  onlyGives(stored: BillingSubscriptionDoc | null, state: SubscriptionState): boolean;
}

const PAID: readonly string[] = ['active', 'trialing'];
const isOneOf = (statuses: readonly string[], status: string): boolean => statuses.includes(status);

export function createLosses({ tiers }: { tiers: Tiers }): Losses {
  const orderOf = new Map(tiers.all().map(({ name }, order) => [name, order]));
  /** The catalogue lists tiers from the smallest to the largest. */
  const order = (tier: string): number => orderOf.get(tier) ?? -1;

  const givesTier = ({ status, tier, outsideCatalogue }: SubscriptionState): boolean =>
    isOneOf(PAID, status) && !outsideCatalogue && tier !== tiers.defaultTier.name;

  const keepsTier: Losses['keepsTier'] = (stored, state) => {
    if (!givesTier(state)) return false;
    if (!stored) return true;
    if (stored.stripeSubscriptionId !== state.stripeSubscriptionId) return isOneOf(ENDED, stored.status);
    return !isOneOf(GRANTING, stored.status) || order(state.tier) >= order(stored.tier);
  };

  return {
    keepsTier,

    onlyGives(stored, state) {
      if (!keepsTier(stored, state)) return false;
      if (!stored || stored.stripeSubscriptionId !== state.stripeSubscriptionId) return true;
      // An ended subscription never comes back.
      if (isOneOf(ENDED, stored.status)) return false;
      if (!isOneOf(GRANTING, stored.status)) return true;
      const isMore = order(state.tier) > order(stored.tier) || stored.status === 'past_due';
      return isMore && keepsTerms(stored, state);
    },
  };
}

function keepsTerms(stored: BillingSubscriptionDoc, state: SubscriptionState): boolean {
  const sameLimits = JSON.stringify(stored.limits ?? null) === JSON.stringify(state.limits ?? null);
  const sameVersion = stored.tier !== state.tier || stored.tierVersion === state.tierVersion;
  return (
    stored.contract === state.contract &&
    sameLimits &&
    sameVersion &&
    state.quantity >= stored.quantity &&
    (!stored.overageItems || state.overageItems !== null) &&
    // While payments are paused, no calls past the quota are sold.
    (!state.pause || !!stored.pause) &&
    (state.currentPeriodEnd?.getTime() ?? 0) >= (stored.currentPeriodEnd?.getTime() ?? 0)
  );
}
