import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Tiers } from '../../tiers/tiers.js';
import { digest } from '../customers/customers.js';
import { callingStripe } from '../stripe/stripeErrors.js';
import type { CurrentSubscriptions } from './currentSubscriptions.js';
import { updateSubscription } from './subscriptionUpdate.js';

/** The part of a subscription by which Stripe bills overage. */
export interface OverageItems {
  /**
   * Sees to it that the tenant's subscription bills overage at the present price: one call to Stripe where it does not
   * yet, none where it does, or where there is no subscription. Done again it changes nothing.
   */
  ensure(tenantId: string): Promise<void>;
}

/**
 * What makes a subscription bill overage by this price alone. Another price's part is removed, not changed: Stripe then
 * bills what was used by it, and the new part counts from its making.
 * @param priceId null: it is to bill none
 */
export function overageSwap(
  { overageItems }: Pick<BillingSubscriptionDoc, 'overageItems'>,
  priceId: string | null,
): Stripe.SubscriptionUpdateParams.Item[] {
  const items = overageItems ?? [];
  const kept = items.find((item) => item.priceId === priceId);
  const removed = items.filter((item) => item !== kept).map(({ id }) => ({ id, deleted: true }));
  return priceId && !kept ? [...removed, { price: priceId }] : removed;
}

export function createOverageItems(deps: {
  stripe: Stripe;
  tiers: Tiers;
  currentSubscriptions: CurrentSubscriptions;
  log: Logger;
}): OverageItems {
  const { stripe, tiers, currentSubscriptions, log } = deps;

  function missingIn(subscription: BillingSubscriptionDoc): Stripe.SubscriptionUpdateParams.Item[] {
    const priceId = tiers.getOveragePriceId(subscription.tier);
    return priceId ? overageSwap(subscription, priceId) : [];
  }

  return {
    async ensure(tenantId) {
      const subscription = await currentSubscriptions.stored(tenantId);
      if (!subscription || missingIn(subscription).length === 0) return;
      await callingStripe(log, tenantId, () =>
        currentSubscriptions.change(tenantId, {
          isEnd: false,
          plan(present) {
            const items = missingIn(present);
            if (items.length === 0) return null;
            const terms = { items, proration_behavior: 'create_prorations' } as const;
            return () => updateSubscription(stripe, `items:${digest(items)}`, present, terms);
          },
        }),
      );
    },
  };
}
