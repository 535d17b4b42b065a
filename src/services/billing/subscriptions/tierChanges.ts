import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { badInput } from '../../../common/errors.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Author } from '../../audit/author.js';
import type { Tiers } from '../../tiers/tiers.js';
import { callingStripe } from '../stripe/stripeErrors.js';
import { tierMetadata } from '../sync/subscriptionMetadata.js';
import type { CurrentSubscriptions, PlannedChange } from './currentSubscriptions.js';
import { overageSwap } from './overageItems.js';
import { priceForSale, rejectContract } from './selfService.js';
import { endsWithPeriod, isEnding, type SubscriptionChanges, switchedItem } from './subscriptionChanges.js';

/** When a change of tier takes effect, and what it costs. All amounts in cents. */
export interface TierChangePreview {
  tier: string;
  immediately: boolean;
  effectiveAt: Date;
  currency: string;
  /** Charged at once, including overage that is not billed yet. */
  amountDueNowCents: number;
  /** The price of the new tier for the rest of the period, less the credit for the old one. Below 0: a credit. */
  prorationCents: number;
  /** The next regular invoice, as far as it is known; null: there is none. */
  nextInvoiceCents: number | null;
  nextInvoiceAt: Date | null;
}

/** Moves paying tenants from one tier to another. */
export interface TierChanges {
  /**
   * Changes to a larger tier at once, charging the rest of the period, and to a smaller one at the end of the period,
   * unless `immediately`. A change to the default tier ends the subscription. A change to the current tier cancels a
   * scheduled change; if there is none and the catalogue has a newer version of the tier, it switches to that at once.
   * @throws BAD_USER_INPUT without a subscription, for a tier that is not for sale, and while a payment is due
   */
  change(
    tenantId: string,
    tier: string,
    immediately: boolean,
    author: Author,
  ): Promise<BillingSubscriptionDoc>;
  /** Computes what `change` would do, without changing anything. */
  preview(tenantId: string, tier: string, immediately: boolean): Promise<TierChangePreview>;
}

interface Wanted {
  tier: string;
  immediately: boolean;
  /** The argument that names the tier. */
  argument: string;
}
type ChangeKind = 'STAY' | 'END_NOW' | 'END_LATER' | 'SWITCH_NOW' | 'SWITCH_LATER';

export function createTierChanges(deps: {
  stripe: Stripe;
  tiers: Tiers;
  currentSubscriptions: CurrentSubscriptions;
  changes: SubscriptionChanges;
  clock: Clock;
  log: Logger;
}): TierChanges {
  const { stripe, tiers, currentSubscriptions, changes, clock, log } = deps;

  /** Tiers priced by contract count as the largest. */
  const priceOf = (tier: string) => tiers.get(tier).monthlyPriceCents ?? Number.POSITIVE_INFINITY;

  /** Whether the catalogue has another version of its tier. A scheduled change is cancelled first. */
  const isOutdated = (subscription: BillingSubscriptionDoc): boolean =>
    subscription.tierVersion !== tiers.get(subscription.tier).version &&
    !isEnding(subscription) &&
    !subscription.scheduledTier;

  const priceIdOf = ({ tier, argument }: Wanted): string => priceForSale(tiers, tier, argument);

  /** @throws BAD_USER_INPUT for a change that is not possible */
  function kindOf(subscription: BillingSubscriptionDoc, wanted: Wanted): ChangeKind {
    const { tier: currentTier, status } = subscription;
    const { tier, immediately } = wanted;
    rejectContract(subscription);
    if (tier === tiers.defaultTier.name) return immediately ? 'END_NOW' : 'END_LATER';
    if (tier === currentTier && !isOutdated(subscription)) return 'STAY';
    priceIdOf(wanted);
    if (status !== 'active' && status !== 'trialing') {
      throw badInput('subscription', `is ${status}; pay what is due first, with createPortalSession`);
    }
    // In a trial nothing has been paid for yet.
    const isSame = tier === currentTier;
    const isAtOnce = immediately || isSame || status === 'trialing' || priceOf(tier) > priceOf(currentTier);
    return isAtOnce ? 'SWITCH_NOW' : 'SWITCH_LATER';
  }

  function plan(subscription: BillingSubscriptionDoc, wanted: Wanted): PlannedChange {
    const { tier } = wanted;
    const terms = () => ({
      priceId: priceIdOf(wanted),
      overagePriceId: tiers.getOveragePriceId(tier),
      metadata: { tenant_id: subscription._id, ...tierMetadata(tiers.get(tier)) },
    });
    switch (kindOf(subscription, wanted)) {
      case 'STAY':
        return isEnding(subscription) || subscription.scheduledTier
          ? () => changes.undoScheduled(subscription)
          : null;
      case 'END_NOW':
        return () => changes.cancelNow(subscription);
      case 'END_LATER':
        return endsWithPeriod(subscription) ? null : () => changes.cancelAtPeriodEnd(subscription);
      case 'SWITCH_NOW':
        return () => changes.switchNow(subscription, terms());
      case 'SWITCH_LATER':
        return subscription.scheduledTier === tier && !isEnding(subscription)
          ? null
          : () => changes.switchAtPeriodEnd(subscription, terms());
    }
  }

  /** Previews the next invoice: at once with `always_invoice`, else at the end of the period. */
  async function previewInvoice(
    { stripeSubscriptionId: subscription }: BillingSubscriptionDoc,
    items: Stripe.InvoiceCreatePreviewParams.SubscriptionDetails.Item[],
    behavior: 'always_invoice' | 'none',
  ): Promise<Stripe.Invoice> {
    return stripe.invoices.createPreview({
      subscription,
      subscription_details: { ...(items.length > 0 && { items }), proration_behavior: behavior },
    });
  }

  const isOverage = (pricing: Stripe.InvoiceLineItem.Pricing | null): boolean => {
    const price = pricing?.price_details?.price;
    return price !== undefined && tiers.isOveragePriceId(typeof price === 'string' ? price : price.id);
  };

  async function previewOf(subscription: BillingSubscriptionDoc, wanted: Wanted): Promise<TierChangePreview> {
    const { tier } = wanted;
    const now = new Date(clock.now());
    const end = subscription.currentPeriodEnd ?? now;
    const nothing = {
      tier,
      currency: tiers.catalogue.currency,
      amountDueNowCents: 0,
      prorationCents: 0,
      nextInvoiceCents: null,
      nextInvoiceAt: null,
    };
    const kind = kindOf(subscription, wanted);
    const switched = () => [switchedItem(subscription, priceIdOf(wanted))];
    switch (kind) {
      case 'END_NOW':
        return { ...nothing, immediately: true, effectiveAt: now };
      case 'END_LATER':
        return { ...nothing, immediately: false, effectiveAt: subscription.cancelAt ?? end };
      case 'SWITCH_NOW': {
        const items = [...switched(), ...overageSwap(subscription, tiers.getOveragePriceId(tier))];
        const invoice = await previewInvoice(subscription, items, 'always_invoice');
        return {
          ...nothing,
          immediately: true,
          effectiveAt: now,
          currency: invoice.currency,
          amountDueNowCents: invoice.amount_due,
          prorationCents: invoice.lines.data.reduce(
            (sum, { amount, pricing }) => (isOverage(pricing) ? sum : sum + amount),
            0,
          ),
          nextInvoiceCents: tiers.get(tier).monthlyPriceCents,
          nextInvoiceAt: end,
        };
      }
      case 'STAY':
      case 'SWITCH_LATER': {
        // It includes the period's overage at the price of the tier that ends.
        const invoice = await previewInvoice(subscription, kind === 'STAY' ? [] : switched(), 'none');
        return {
          ...nothing,
          immediately: false,
          effectiveAt: kind === 'STAY' ? now : end,
          currency: invoice.currency,
          nextInvoiceCents: invoice.amount_due,
          nextInvoiceAt: end,
        };
      }
    }
  }

  return {
    change(tenantId, tier, immediately, author) {
      const wanted = { tier, immediately, argument: 'input.tier' };
      return callingStripe(log, tenantId, () =>
        currentSubscriptions.change(
          tenantId,
          {
            isEnd: tier === tiers.defaultTier.name,
            plan: (subscription) => plan(subscription, wanted),
          },
          author,
        ),
      );
    },

    preview(tenantId, tier, immediately) {
      return callingStripe(log, tenantId, () =>
        currentSubscriptions.retryAfterSync(tenantId, async () => {
          const subscription =
            (await currentSubscriptions.stored(tenantId)) ?? (await currentSubscriptions.fetch(tenantId));
          if (!subscription) {
            throw badInput('tier', 'there is no paid subscription; start one with createCheckoutSession');
          }
          return previewOf(subscription, { tier, immediately, argument: 'tier' });
        }),
      );
    },
  };
}
