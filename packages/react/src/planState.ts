import type { Subscription, Tenant, Tier, TierPrice } from '@continuum-billing/client';
import { cycleKey, monthsIn, priceAt } from './prices.js';

/** The state that decides what a person can do. */
export interface Account {
  subscription: Subscription;
  tiers: readonly Tier[];
  tenant: Tenant;
}

/** Statuses of a subscription that is paid for, or should be. */
const PAID: readonly Subscription['status'][] = ['ACTIVE', 'TRIALING', 'PAST_DUE', 'UNPAID', 'PAUSED'];

export const isPaid = ({ stripeSubscriptionId, status }: Subscription): boolean =>
  stripeSubscriptionId !== null && PAID.includes(status);

/** When the subscription ends, if that is scheduled. */
export function endOf(plan: Subscription): string | null {
  if (!isPaid(plan)) return null;
  return plan.cancelAt ?? (plan.cancelAtPeriodEnd ? plan.currentPeriodEnd : null);
}

/** Why a person cannot change the plan; null if it can. */
export type FixedReason = 'OVERRIDDEN' | 'CONTRACT' | null;

export function fixedReason({ tenant, subscription }: Account): FixedReason {
  if (tenant.limitOverrides?.inForce && tenant.limitOverrides.tier) return 'OVERRIDDEN';
  return isPaid(subscription) && subscription.tier.checkout === 'CONTACT_SALES' ? 'CONTRACT' : null;
}

/** What the button of a tier does. */
export type TierAction = 'CURRENT' | 'BUY' | 'TRY' | 'UPGRADE' | 'DOWNGRADE' | 'KEEP' | 'CONTACT' | 'NONE';

/** What a tier costs a month at its shortest interval. Tiers priced by agreement count as the largest. */
function rateOf(tier: Tier, seats: number): number {
  const price = priceAt(tier, null);
  if (!price) return tier.monthlyPriceCents ?? Number.POSITIVE_INFINITY;
  return (price.unitAmount * (price.perSeat ? seats : 1)) / monthsIn(price);
}

/** @param price the one that is shown; another interval of the plan that one has is a change, too */
export function actionOf(tier: Tier, price: TierPrice | null, account: Account): TierAction {
  const { subscription } = account;
  const isCurrent = subscription.tier.name === tier.name;
  if (fixedReason(account)) return isCurrent ? 'CURRENT' : 'NONE';
  const isScheduled = endOf(subscription) !== null || subscription.scheduledTier !== null;
  if (isCurrent && isPaid(subscription) && isScheduled) return 'KEEP';
  if (isCurrent) return cycleChange(price, subscription) ?? 'CURRENT';
  if (tier.checkout === 'CONTACT_SALES') return 'CONTACT';
  if (!isPaid(subscription)) {
    if (tier.checkout === 'NONE') return 'NONE';
    // Each tenant has one trial, with its first subscription.
    return tier.trialDays > 0 && subscription.stripeSubscriptionId === null ? 'TRY' : 'BUY';
  }
  // The subscription is canceled from its own card.
  if (tier.checkout === 'NONE') return 'NONE';
  if (subscription.scheduledTier === tier.name) return 'NONE';
  const seats = subscription.price?.perSeat ? subscription.seats : 1;
  return rateOf(tier, seats) > rateOf(subscription.tier, seats) ? 'UPGRADE' : 'DOWNGRADE';
}

function cycleChange(price: TierPrice | null, plan: Subscription): 'UPGRADE' | 'DOWNGRADE' | null {
  // A tier that is no longer sold has no other price.
  if (!price || !plan.price || !isPaid(plan) || cycleKey(price) === cycleKey(plan.price)) return null;
  return monthsIn(price) > monthsIn(plan.price) ? 'UPGRADE' : 'DOWNGRADE';
}

/** While something is due or payments are paused, a plan can be paid or canceled, and not changed. */
export const isChangeable = ({ status, paymentPause }: Subscription): boolean =>
  (status === 'ACTIVE' || status === 'TRIALING') && !paymentPause;

/** What happens at the end of a trial that nobody can pay for. Stripe asks for the payment where the checkout asked for a card. */
export const endWithoutCard = ({
  trialRequiresCard,
  trialEndWithoutCard,
}: Pick<Tier, 'trialRequiresCard' | 'trialEndWithoutCard'>): Tier['trialEndWithoutCard'] =>
  trialRequiresCard ? 'INVOICE' : trialEndWithoutCard;
