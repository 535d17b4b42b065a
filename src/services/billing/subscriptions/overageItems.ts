import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Tiers } from '../../tiers/tiers.js';
import { callingStripe } from '../stripe/stripeErrors.js';
import type { HeldSubscriptions } from './heldSubscriptions.js';
import { overageSwap, type SubscriptionChanges } from './subscriptionChanges.js';

/** The part of a subscription by which Stripe bills overage. */
export interface OverageItems {
  /**
   * Sees to it that the tenant's subscription bills overage at the present price: one call to Stripe where it does not
   * yet, none where it does, or where there is no subscription. Done again it changes nothing.
   */
  ensure(tenantId: string): Promise<void>;
}

export function createOverageItems(deps: {
  tiers: Tiers;
  held: HeldSubscriptions;
  changes: SubscriptionChanges;
  log: Logger;
}): OverageItems {
  const { tiers, held, changes, log } = deps;

  function missingIn(subscription: BillingSubscriptionDoc): Stripe.SubscriptionUpdateParams.Item[] {
    const priceId = tiers.getOveragePriceId(subscription.tier);
    return priceId ? overageSwap(subscription, priceId) : [];
  }

  return {
    async ensure(tenantId) {
      const subscription = await held.stored(tenantId);
      if (!subscription || missingIn(subscription).length === 0) return;
      await callingStripe(log, tenantId, () =>
        held.change(tenantId, {
          isEnd: false,
          plan(present) {
            const items = missingIn(present);
            return items.length > 0 ? () => changes.setItems(present, items) : null;
          },
        }),
      );
    },
  };
}
