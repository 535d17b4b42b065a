import type { Logger } from 'pino';
import type { OveragePrice } from '../../../catalogue/overagePrice.js';
import type { Clock } from '../../../common/clock.js';
import { badInput } from '../../../common/errors.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Tenants } from '../../accounts/tenants.js';
import type { Entitlements } from '../../tiers/entitlements.js';
import type { Tiers } from '../../tiers/tiers.js';
import type { UnbilledOverage } from '../../usage/overage/unbilledOverage.js';
import { callingStripe } from '../stripe/stripeErrors.js';
import type { CurrentSubscriptions } from './currentSubscriptions.js';
import { rejectContract } from './selfService.js';
import { endsWithPeriod } from './subscriptionChanges.js';

/** What a cancellation would do. Amounts in cents. */
export interface CancellationPreview {
  atPeriodEnd: boolean;
  endsAt: Date;
  /** It ends by then anyway, so nothing would change. */
  alreadyScheduled: boolean;
  tier: string;
  tierAfterwards: string;
  currency: string;
  /** Stripe refunds and credits nothing for the rest of a period. */
  refundCents: number;
  /** Overage up to now that has not been invoiced. */
  overageCents: number;
  /** null: nothing is left to be invoiced. */
  lastInvoiceAt: Date | null;
  summary: string;
}

export interface CancellationPreviews {
  /** @throws BAD_USER_INPUT without a paid subscription, and for a contract */
  preview(tenantId: string, atPeriodEnd: boolean): Promise<CancellationPreview>;
}

export function createCancellationPreviews(deps: {
  currentSubscriptions: CurrentSubscriptions;
  tenants: Pick<Tenants, 'get'>;
  entitlements: Pick<Entitlements, 'derive'>;
  unbilled: UnbilledOverage;
  tiers: Tiers;
  clock: Clock;
  log: Logger;
}): CancellationPreviews {
  const { currentSubscriptions, tenants, entitlements, unbilled, tiers, clock, log } = deps;

  async function overageCentsOf(tenantId: string, price: OveragePrice): Promise<number> {
    return Math.round(await unbilled.costOf(tenantId, price));
  }

  return {
    async preview(tenantId, atPeriodEnd) {
      const tenant = await tenants.get(tenantId);
      const subscription =
        (await currentSubscriptions.stored(tenantId)) ??
        (await callingStripe(log, tenantId, () => currentSubscriptions.fetch(tenantId)));
      if (!subscription)
        throw badInput('subscription', 'there is no paid subscription, so there is nothing to cancel');
      rejectContract(subscription);
      const { overage } = entitlements.derive(tenant, subscription);
      const { tier: tierAfterwards } = entitlements.derive(tenant, { ...subscription, status: 'canceled' });
      const now = new Date(clock.now());
      const endsAt = endOf(subscription, atPeriodEnd, now);
      const preview = {
        atPeriodEnd,
        endsAt,
        alreadyScheduled: atPeriodEnd && endsWithPeriod(subscription),
        tier: subscription.tier,
        tierAfterwards,
        currency: subscription.itemPrice?.currency ?? tiers.catalogue.currency,
        refundCents: 0,
        overageCents: await overageCentsOf(tenantId, overage.price),
        lastInvoiceAt: subscription.overageItems ? endsAt : null,
      };
      return { ...preview, summary: summaryOf(preview, subscription, tiers.publicNameOf) };
    },
  };
}

function endOf(subscription: BillingSubscriptionDoc, atPeriodEnd: boolean, now: Date): Date {
  if (!atPeriodEnd) return now;
  const { cancelAt, currentPeriodEnd } = subscription;
  return (endsWithPeriod(subscription) ? cancelAt : null) ?? currentPeriodEnd ?? now;
}

function summaryOf(
  preview: Omit<CancellationPreview, 'summary'>,
  { status, scheduledTier }: BillingSubscriptionDoc,
  nameOf: Tiers['publicNameOf'],
): string {
  const { atPeriodEnd, alreadyScheduled, endsAt, lastInvoiceAt } = preview;
  const [tier, tierAfterwards] = [preview.tier, preview.tierAfterwards].map(nameOf);
  const when = `on ${endsAt.toISOString()}`;
  const ends = atPeriodEnd
    ? `The subscription to ${tier} ends ${when}`
    : `The subscription to ${tier} ends at once`;
  const after =
    tier === tierAfterwards
      ? `the tenant keeps ${tier} by an override`
      : `the tenant then has ${tierAfterwards}`;
  return [
    alreadyScheduled
      ? `The subscription to ${tier} ends ${when} already, so nothing changes; ${after}.`
      : `${ends}; ${after}.`,
    ...(atPeriodEnd
      ? []
      : status === 'trialing'
        ? ['It is on trial, so nothing has been paid.']
        : ['The rest of the period is neither refunded nor credited.']),
    ...(lastInvoiceAt ? ['Overage that has not been invoiced is on a last invoice.'] : []),
    ...(scheduledTier && !alreadyScheduled && atPeriodEnd
      ? [`The scheduled change to ${nameOf(scheduledTier)} is dropped.`]
      : []),
    ...(status === 'past_due' ? ['Open invoices stay due.'] : []),
  ].join(' ');
}
