import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Author } from '../../audit/author.js';
import type { Tiers } from '../../tiers/tiers.js';
import { digest } from '../customers/customers.js';
import { callingStripe } from '../stripe/stripeErrors.js';
import type { CurrentSubscriptions } from './currentSubscriptions.js';
import { updateSubscription } from './subscriptionUpdate.js';

/** The subscription item with which Stripe bills overage. */
export interface OverageItems {
  /**
   * Ensures that the tenant's subscription bills overage at the current price. It makes one request to Stripe if it does
   * not yet, and none if it does or if there is no subscription. Repeating it changes nothing.
   */
  ensure(tenantId: string, author: Author): Promise<void>;
}

/**
 * The item changes that make a subscription bill overage at this price only. An item at another price is removed instead
 * of changed: Stripe then bills what it counted, and the new item starts at zero.
 * @param priceId null: bill no overage
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
    const { tier, itemPrice } = subscription;
    const priceId = tiers.getOverage(tier, itemPrice?.currency) && tiers.getOveragePriceId(tier);
    return priceId ? overageSwap(subscription, priceId) : [];
  }

  return {
    async ensure(tenantId, author) {
      const subscription = await currentSubscriptions.stored(tenantId);
      if (!subscription || missingIn(subscription).length === 0) return;
      await callingStripe(log, tenantId, () =>
        currentSubscriptions.change(
          tenantId,
          {
            isEnd: false,
            plan(current) {
              const items = missingIn(current);
              if (items.length === 0) return null;
              const terms = { items, proration_behavior: 'create_prorations' } as const;
              return () => updateSubscription(stripe, `items:${digest(items)}`, current, terms);
            },
          },
          author,
        ),
      );
    },
  };
}
