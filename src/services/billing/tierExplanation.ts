import { type Clock, instantText } from '../../common/clock.js';
import type { AuditEntryDoc } from '../../models/auditLog.js';
import { type BillingSubscriptionDoc, GRANTING } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';
import type { TenantDoc } from '../../models/tenant.js';
import type { WebhookEventDoc } from '../../models/webhookEvent.js';
import { type Entitlement, type Entitlements, TierSource } from '../tiers/entitlements.js';
import type { Tiers } from '../tiers/tiers.js';
import type { Inbox } from './inbox/inbox.js';
import { untilText } from './subscriptions/selfService.js';

/** Why a tenant has its tier. */
export interface TierExplanation {
  entitlement: Entitlement;
  /** null: not known. */
  since: Date | null;
  until: Date | null;
  /** The other sources that could give a tier, and why each does not. */
  unapplied: { source: TierSource; reason: string }[];
  subscription: BillingSubscriptionDoc | null;
  /** The newest event about the tenant's customer. */
  lastEvent: WebhookEventDoc | null;
  /** In plain English. */
  summary: string;
}

export interface TierExplanations {
  /** @throws NOT_FOUND */
  explain(tenantId: string): Promise<TierExplanation>;
}

/** Older changes than these are not looked at. */
const MAX_CHANGES = 200;

export function createTierExplanations(deps: {
  models: Models;
  clock: Clock;
  tiers: Tiers;
  entitlements: Entitlements;
  inbox: Pick<Inbox, 'page'>;
  getTenant: (tenantId: string) => Promise<TenantDoc>;
}): TierExplanations {
  const { models, clock, tiers, entitlements, inbox, getTenant } = deps;

  /** When the subscription began to give its tier, by the audit log. */
  async function grantedSince({ _id, createdAt }: BillingSubscriptionDoc): Promise<Date> {
    const changes = await models.auditEntries
      .find({ chain: _id, action: { $in: ['subscription.created', 'subscription.changed'] } })
      .sort({ _id: -1 })
      .limit(MAX_CHANGES)
      .lean<AuditEntryDoc[]>();
    return changes.find(startsGrant)?.at ?? createdAt;
  }

  /** When whatever gave another tier before ended. */
  function defaultSince(
    { contract, createdAt }: TenantDoc,
    subscription: BillingSubscriptionDoc | null,
  ): Date {
    const ends = [
      createdAt,
      entitlements.isInForce(contract) ? null : contract.until,
      subscription?.endedAt,
      entitlements.graceEndsAt(subscription),
    ];
    const nowMs = clock.now();
    return new Date(
      Math.max(...ends.flatMap((end) => (end && end.getTime() <= nowMs ? [end.getTime()] : []))),
    );
  }

  async function sinceOf(
    source: TierSource,
    tenant: TenantDoc,
    subscription: BillingSubscriptionDoc | null,
  ): Promise<Date | null> {
    switch (source) {
      case TierSource.CONTRACT:
        return tenant.contract.setAt ?? null;
      case TierSource.SUBSCRIPTION:
        return subscription && grantedSince(subscription);
      case TierSource.GRACE_PERIOD:
        return subscription?.pastDueSince ?? null;
      case TierSource.DEFAULT:
        return defaultSince(tenant, subscription);
    }
  }

  function whyNoContract({ contract }: TenantDoc): string {
    const { tier, until } = contract;
    if (tier === null) return 'setTenantLimits has set no tier';
    if (!entitlements.isInForce(contract))
      return `the override to ${tiers.publicNameOf(tier)} ended on ${text(until)}`;
    return `the override names ${tier}, which the catalogue does not have`;
  }

  function whyNoSubscription(source: TierSource, subscription: BillingSubscriptionDoc | null): string {
    if (!subscription) return 'there is none';
    const { tier, status } = subscription;
    if (source === TierSource.CONTRACT)
      return `the override comes before the subscription to ${tiers.publicNameOf(tier)} (${status})`;
    if (!tiers.has(tier)) return `it is to ${tier}, which the catalogue does not have`;
    if (status !== 'past_due') return `its status is ${status}, which gives no tier`;
    const graceEndsAt = entitlements.graceEndsAt(subscription);
    return `its status is past_due, and its grace period ${graceEndsAt ? `ended on ${text(graceEndsAt)}` : 'has not begun'}`;
  }

  function unappliedOf(
    source: TierSource,
    tenant: TenantDoc,
    subscription: BillingSubscriptionDoc | null,
  ): TierExplanation['unapplied'] {
    const isSubscribed = source === TierSource.SUBSCRIPTION || source === TierSource.GRACE_PERIOD;
    return [
      ...(source === TierSource.CONTRACT
        ? []
        : [{ source: TierSource.CONTRACT, reason: whyNoContract(tenant) }]),
      ...(isSubscribed
        ? []
        : [{ source: TierSource.SUBSCRIPTION, reason: whyNoSubscription(source, subscription) }]),
      ...(source === TierSource.DEFAULT
        ? []
        : [{ source: TierSource.DEFAULT, reason: 'it applies only if nothing else gives a tier' }]),
    ];
  }

  return {
    async explain(tenantId) {
      const [tenant, subscription, { events }] = await Promise.all([
        getTenant(tenantId),
        models.billingSubscriptions.findById(tenantId).lean<BillingSubscriptionDoc>(),
        inbox.page({ first: 1, tenantId }),
      ]);
      const entitlement = entitlements.derive(tenant, subscription);
      const { source } = entitlement;
      const explained = {
        entitlement,
        since: await sinceOf(source, tenant, subscription),
        until: entitlement.tierEndsAt,
        unapplied: unappliedOf(source, tenant, subscription),
        subscription,
        lastEvent: events[0] ?? null,
      };
      return { ...explained, summary: summaryOf(explained, tenant) };
    },
  };
}

/** Whether a change of a subscription gave it another tier, or gave it its tier again. */
function startsGrant({ action, before, after }: AuditEntryDoc): boolean {
  const [from, to] = [before, after].map(
    (state) => JSON.parse(state ?? '{}') as { tier?: string; status?: string },
  );
  const wasGranting = from?.status === undefined || GRANTING.some((status) => status === from.status);
  return action === 'subscription.created' || to?.tier !== undefined || !wasGranting;
}

const SENTENCE: Record<TierSource, string> = {
  [TierSource.CONTRACT]: 'by an override of setTenantLimits',
  [TierSource.SUBSCRIPTION]: 'by its subscription',
  [TierSource.GRACE_PERIOD]: 'in the grace period after a failed payment',
  [TierSource.DEFAULT]: 'because nothing gives it another tier',
};

function summaryOf(explained: Omit<TierExplanation, 'summary'>, tenant: TenantDoc): string {
  const { entitlement, since, until, unapplied, subscription, lastEvent } = explained;
  const when = `${since ? ` since ${text(since)}` : ''}${until ? `, until ${text(until)}` : ''}`;
  const nouns: Partial<Record<TierSource, string>> = {
    [TierSource.CONTRACT]: 'Override',
    [TierSource.SUBSCRIPTION]: 'Subscription',
  };
  return [
    `The tenant has ${entitlement.tierName} ${SENTENCE[entitlement.source]}${when}.`,
    ...unapplied.flatMap(({ source, reason }) => (nouns[source] ? [`${nouns[source]}: ${reason}.`] : [])),
    ...(subscription
      ? [`Stripe said last that ${subscription.stripeSubscriptionId} is ${subscription.status}.`]
      : []),
    ...(subscription?.pause ? [`Its payments are paused${untilText(subscription.pause)}.`] : []),
    ...(lastEvent
      ? [`The last event was ${lastEvent.type}, received on ${text(lastEvent.receivedAt)}.`]
      : []),
    ...(tenant.suspendedAt ? [`It has been suspended since ${text(tenant.suspendedAt)}.`] : []),
  ].join(' ');
}

const text = (at: Date | null | undefined): string => (at ? instantText(at) : 'an unknown date');
