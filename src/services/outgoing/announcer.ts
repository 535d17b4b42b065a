import type { ClientSession } from 'mongoose';
import { Types } from 'mongoose';
import type { Clock } from '../../clock.js';
import type { BillingSubscriptionDoc } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';
import {
  type AnnouncedStateDoc,
  DeliveryStatus,
  OutgoingEventType,
  type WebhookDeliveryDoc,
  type WebhookEndpointDoc,
} from '../../models/outgoingWebhook.js';
import type { TenantDoc } from '../../models/tenant.js';
import type { UsageAlertDoc } from '../../models/usageAlert.js';
import type { Entitlements } from '../tiers/entitlements.js';

/**
 * Makes events of what has changed. Each write to a tenant, a subscription or an alert leaves a mark that it is
 * unannounced; the mark goes in the transaction that writes the deliveries. So an event is neither lost nor made twice,
 * wherever the process dies.
 */
export interface Announcer {
  /** @returns how many marks were seen to */
  announce(): Promise<number>;
}

interface OutgoingEvent {
  type: OutgoingEventType;
  data: Record<string, unknown>;
}

const PAGE = 100;
const KEEP_MS = 30 * 86_400_000;
const UNANNOUNCED = { unannounced: true } as const;

export function createAnnouncer(deps: {
  models: Models;
  clock: Clock;
  entitlements: Pick<Entitlements, 'derive'>;
  defaultTier: string;
}): Announcer {
  const { models, clock, entitlements, defaultTier } = deps;

  async function queue(events: readonly OutgoingEvent[], session: ClientSession): Promise<void> {
    if (events.length === 0) return;
    const endpoints = await models.webhookEndpoints.find({}, null, { session }).lean<WebhookEndpointDoc[]>();
    const at = new Date(clock.now());
    const deliveries = events.flatMap(({ type, data }) => {
      const eventId = `evt_${new Types.ObjectId().toHexString()}`;
      const body = JSON.stringify({ type, timestamp: at.toISOString(), data });
      return endpoints
        .filter((endpoint) => endpoint.events.includes(type))
        .map(
          (endpoint): WebhookDeliveryDoc => ({
            _id: `${eventId}:${endpoint._id}`,
            endpointId: endpoint._id,
            eventId,
            type,
            body,
            status: DeliveryStatus.PENDING,
            tries: 0,
            responseStatus: null,
            error: null,
            at,
            deliveredAt: null,
            nextTryAt: at,
            expiresAt: new Date(at.getTime() + KEEP_MS),
          }),
        );
    });
    if (deliveries.length > 0) await models.webhookDeliveries.insertMany(deliveries, { session });
  }

  async function announceTenant(tenantId: string): Promise<void> {
    await models.connection.transaction(async (session) => {
      const tenant = await models.tenants.findById(tenantId, null, { session }).lean<TenantDoc>();
      const subscription = await models.billingSubscriptions
        .findById(tenantId, null, { session })
        .lean<BillingSubscriptionDoc>();
      const announced = await models.announcedStates
        .findById(tenantId, null, { session })
        .lean<AnnouncedStateDoc>();
      if (tenant) {
        const { tier } = entitlements.derive(tenant, subscription);
        const from = announced?.tier ?? defaultTier;
        const data = subscription && subscriptionData(subscription);
        const told = JSON.stringify(data);
        const events: OutgoingEvent[] = [];
        if (data && told !== announced?.subscription)
          events.push({ type: OutgoingEventType.SUBSCRIPTION_UPDATED, data });
        if (tier !== from)
          events.push({ type: OutgoingEventType.TIER_CHANGED, data: { tenantId, from, to: tier } });
        await queue(events, session);
        await models.announcedStates.updateOne(
          { _id: tenantId },
          { $set: { tier, subscription: told } },
          { upsert: true, session },
        );
      }
      // Past mongoose, whose hook would put the mark back. A write in between makes the transaction begin anew.
      for (const { collection } of [models.tenants, models.billingSubscriptions]) {
        await collection.updateOne({ _id: tenantId as never }, { $unset: { unannounced: '' } }, { session });
      }
    });
  }

  async function announceAlert({ _id }: UsageAlertDoc): Promise<void> {
    await models.connection.transaction(async (session) => {
      const alert = await models.usageAlerts
        .findOneAndUpdate({ _id, ...UNANNOUNCED }, { $unset: { unannounced: 1 } }, { session })
        .lean<UsageAlertDoc>();
      if (!alert) return;
      const { kind, level, window, used, limit, at } = alert;
      const tenantId = _id.slice(0, _id.indexOf(':'));
      const data = { tenantId, kind, level, window, used, limit, at };
      await queue([{ type: OutgoingEventType.USAGE_ALERT, data }], session);
    });
  }

  /** A grace period ends without a write: tenants in one are looked at each time. */
  async function changedTenants(): Promise<Set<string>> {
    const [tenants, subscriptions, inGrace] = await Promise.all([
      models.tenants.find(UNANNOUNCED, { _id: 1 }).limit(PAGE).lean<TenantDoc[]>(),
      models.billingSubscriptions.find(UNANNOUNCED, { _id: 1 }).limit(PAGE).lean<BillingSubscriptionDoc[]>(),
      endedGraces(),
    ]);
    return new Set([...tenants.map(({ _id }) => _id), ...subscriptions.map(({ _id }) => _id), ...inGrace]);
  }

  async function endedGraces(): Promise<string[]> {
    const overdue = await models.billingSubscriptions
      .find({ status: 'past_due', pastDueSince: { $ne: null } })
      .lean<BillingSubscriptionDoc[]>();
    const ids = overdue.map(({ _id }) => _id);
    const [tenants, states] = await Promise.all([
      models.tenants.find({ _id: { $in: ids } }).lean<TenantDoc[]>(),
      models.announcedStates.find({ _id: { $in: ids } }).lean<AnnouncedStateDoc[]>(),
    ]);
    const announced = new Map(states.map(({ _id, tier }) => [_id, tier]));
    const subscriptionOf = new Map(overdue.map((subscription) => [subscription._id, subscription]));
    return tenants
      .filter((tenant) => {
        const { tier } = entitlements.derive(tenant, subscriptionOf.get(tenant._id) ?? null);
        return tier !== (announced.get(tenant._id) ?? defaultTier);
      })
      .map(({ _id }) => _id);
  }

  return {
    async announce() {
      const tenantIds = await changedTenants();
      for (const tenantId of tenantIds) await announceTenant(tenantId);
      const alerts = await models.usageAlerts
        .find(UNANNOUNCED)
        .sort({ _id: 1 })
        .limit(PAGE)
        .lean<UsageAlertDoc[]>();
      for (const alert of alerts) await announceAlert(alert);
      return tenantIds.size + alerts.length;
    },
  };
}

const subscriptionData = (subscription: BillingSubscriptionDoc): Record<string, unknown> => {
  const { _id, tier, status, currentPeriodStart, currentPeriodEnd, cancelAtPeriodEnd, cancelAt, trialEnd } =
    subscription;
  const { scheduledTier = null, scheduledAt = null, stripeSubscriptionId } = subscription;
  return {
    tenantId: _id,
    tier,
    status,
    currentPeriodStart,
    currentPeriodEnd,
    cancelAtPeriodEnd,
    cancelAt,
    trialEnd,
    scheduledTier,
    scheduledAt,
    stripeSubscriptionId,
  };
};
