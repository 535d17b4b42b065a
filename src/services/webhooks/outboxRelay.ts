import type { ClientSession, Collection } from 'mongoose';
import { Types } from 'mongoose';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { ofCustomers } from '../../models/billingCustomer.js';
import type { BillingSubscriptionDoc } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';
import type { OutboxSource } from '../../models/outbox.js';
import {
  DeliveryStatus,
  OutgoingEventType,
  type PublishedStateDoc,
  type WebhookDeliveryDoc,
  type WebhookEndpointDoc,
  WebhookEndpointStatus,
} from '../../models/outgoingWebhook.js';
import type { TenantDoc } from '../../models/tenant.js';
import type { UsageAlertDoc } from '../../models/usageAlert.js';
import { type WebhookEventDoc, WebhookEventStatus } from '../../models/webhookEvent.js';
import { toForwardedEvent } from '../billing/inbox/forwardedEvents.js';
import { isDatabaseUnavailable } from '../infrastructure/databaseErrors.js';
import type { Entitlements } from '../tiers/entitlements.js';
import type { Tiers } from '../tiers/tiers.js';
import { createTrialReminders } from './trialReminders.js';

/**
 * Turns changes into events (a transactional outbox). Each write to a tenant, a subscription or an alert marks its
 * document as pending, and the transaction that writes the deliveries removes the mark. So no event is lost or made
 * twice, wherever the process dies.
 */
export interface OutboxRelay {
  /** @returns how many pending documents were handled */
  publish(): Promise<number>;
}

/** Learns of each change of a tenant once, or again if the transaction is repeated. */
export type TenantChanged = (tenantId: string, session: ClientSession) => Promise<void>;

interface OutgoingEvent {
  type: OutgoingEventType;
  data: { tenantId: string } & Record<string, unknown>;
}

const PAGE = 100;
const KEEP_MS = 30 * 86_400_000;
/** Deliveries that wait for one endpoint. */
const MAX_BACKLOG = 10_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15 * 60_000;
const MAX_ERROR_LENGTH = 500;
const PENDING = { unannounced: true } as const;

export function createOutboxRelay(deps: {
  models: Models;
  clock: Clock;
  entitlements: Pick<Entitlements, 'derive' | 'graceEndsAt' | 'isInForce'>;
  /** Called in the transaction that publishes a change of the tenant. */
  changed: TenantChanged;
  tiers: Pick<Tiers, 'defaultTier' | 'publicNameOf'>;
  log: Logger;
}): OutboxRelay {
  const { models, clock, entitlements, changed, tiers, log } = deps;
  const defaultTier = tiers.defaultTier.name;
  const trialReminders = createTrialReminders({ models });

  /** Skips documents that failed a moment ago, so that they do not delay the others. */
  /** The last tenant in a grace period that was checked. */
  let graceAfter = '';
  const due = () => ({ 'announceRetry.at': { $not: { $gt: new Date(clock.now()) } } });

  /** @returns whether the event was published; otherwise it is retried later */
  async function attempt(
    kind: 'tenant' | 'alert' | 'event',
    id: string,
    documents: readonly Collection[],
    make: () => Promise<void>,
  ): Promise<boolean> {
    try {
      await make();
      return true;
    } catch (error) {
      // An error of the database is not this document's fault.
      if (isDatabaseUnavailable(error)) throw error;
      log.error({ err: error, kind, id }, 'webhook.publish_failed');
      await Promise.all(documents.map((collection) => retryLater(collection, id, error as Error)));
      return false;
    }
  }

  /** Bypasses mongoose, whose hook would set the mark again. */
  async function retryLater(collection: Collection, id: string, { message }: Error): Promise<void> {
    const found = await collection.findOne({ _id: id as never }, { projection: { announceRetry: 1 } });
    const tries = ((found as OutboxSource | null)?.announceRetry?.tries ?? 0) + 1;
    const waitMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(tries, 20), MAX_RETRY_MS);
    const announceRetry = {
      at: new Date(clock.now() + waitMs),
      tries,
      error: message.slice(0, MAX_ERROR_LENGTH),
    };
    await collection.updateOne({ _id: id as never }, { $set: { announceRetry } });
  }

  /** Endpoints that subscribe to any of the events. One whose backlog is full misses events, which is logged. */
  async function takersOf(
    events: readonly OutgoingEvent[],
    session: ClientSession,
  ): Promise<WebhookEndpointDoc[]> {
    const endpoints = await models.webhookEndpoints
      .find(
        {
          status: { $ne: WebhookEndpointStatus.DISABLED },
          events: { $in: events.map(({ type }) => type) },
        },
        null,
        { session },
      )
      .lean<WebhookEndpointDoc[]>();
    const takers: WebhookEndpointDoc[] = [];
    for (const endpoint of endpoints) {
      const waiting = { endpointId: endpoint._id, nextTryAt: { $exists: true } };
      const count = await models.webhookDeliveries.countDocuments(waiting, { session, limit: MAX_BACKLOG });
      if (count < MAX_BACKLOG) takers.push(endpoint);
      else log.error({ endpoint: endpoint._id, waiting: count }, 'webhook.backlog_full');
    }
    return takers;
  }

  async function queue(events: readonly OutgoingEvent[], session: ClientSession): Promise<void> {
    if (events.length === 0) return;
    const endpoints = await takersOf(events, session);
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
            tenantId: data.tenantId,
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

  async function publishTenant(tenantId: string): Promise<void> {
    await models.connection.transaction(async (session) => {
      const tenant = await models.tenants.findById(tenantId, null, { session }).lean<TenantDoc>();
      const subscription = await models.billingSubscriptions
        .findById(tenantId, null, { session })
        .lean<BillingSubscriptionDoc>();
      const published = await models.publishedStates
        .findById(tenantId, null, { session })
        .lean<PublishedStateDoc>();
      if (tenant) {
        const { tier } = entitlements.derive(tenant, subscription);
        const from = published?.tier ?? defaultTier;
        const data = subscription && {
          ...subscriptionData(subscription, tiers.publicNameOf),
          graceEndsAt: entitlements.graceEndsAt(subscription),
        };
        const text = JSON.stringify(data);
        const events: OutgoingEvent[] = [];
        if (data && text !== published?.subscription)
          events.push({ type: OutgoingEventType.SUBSCRIPTION_UPDATED, data });
        if (data) events.push(...pauseEvents(data, published));
        if (tier !== from)
          events.push({
            type: OutgoingEventType.TIER_CHANGED,
            data: { tenantId, from: tiers.publicNameOf(from), to: tiers.publicNameOf(tier) },
          });
        events.push(...suspensionEvents(tenant, published), ...erasureEvents(tenant, published));
        await queue(events, session);
        const { suspendedAt } = tenant;
        const erasedAt = tenant.erasure?.completedAt;
        await models.publishedStates.updateOne(
          { _id: tenantId },
          {
            $set: {
              tier,
              subscription: text,
              ...(suspendedAt && { suspendedAt }),
              ...(erasedAt && { erasedAt }),
            },
            ...(!suspendedAt && { $unset: { suspendedAt: '' } }),
          },
          { upsert: true, session },
        );
      }
      await changed(tenantId, session);
      const ended = tenant && !entitlements.isInForce(tenant.contract);
      // Bypasses mongoose, whose hook would restore the mark. A write in between restarts the transaction.
      for (const { collection } of [models.tenants, models.billingSubscriptions]) {
        await collection.updateOne(
          { _id: tenantId as never },
          { $unset: { unannounced: '', announceRetry: '', ...(ended && { 'contract.endUnannounced': '' }) } },
          { session },
        );
      }
    });
  }

  async function publishAlert({ _id }: UsageAlertDoc): Promise<void> {
    await models.connection.transaction(async (session) => {
      const alert = await models.usageAlerts
        .findOneAndUpdate({ _id, ...PENDING }, { $unset: { unannounced: 1, announceRetry: 1 } }, { session })
        .lean<UsageAlertDoc>();
      if (!alert) return;
      const { kind, level, window, used, limit, at } = alert;
      const tenantId = _id.slice(0, _id.indexOf(':'));
      const data = { tenantId, kind, level, window, used, limit, at };
      await queue([{ type: OutgoingEventType.USAGE_ALERT, data }], session);
      await changed(tenantId, session);
    });
  }

  /** Forwards each applied Stripe event once. Events without an effect here, or of no tenant, are not forwarded. */
  async function publishStripeEvent({ _id }: Pick<WebhookEventDoc, '_id'>): Promise<void> {
    await models.connection.transaction(async (session) => {
      const event = await models.webhookEvents
        .findOneAndUpdate({ _id, ...PENDING }, { $unset: { unannounced: 1, announceRetry: 1 } }, { session })
        .lean<WebhookEventDoc>();
      if (event?.state !== WebhookEventStatus.APPLIED || !event.lane) return;
      const customerId = event.lane.slice(event.lane.indexOf(':') + 1);
      const customer = await models.billingCustomers
        .findOne(ofCustomers(customerId), { _id: 1 }, { session })
        .lean<{ _id: string }>();
      const forwarded = customer && toForwardedEvent(event, customer._id);
      if (!forwarded) return;
      const isReminder = forwarded.type === OutgoingEventType.SUBSCRIPTION_TRIAL_WILL_END;
      if (!isReminder || (await trialReminders.take(forwarded.data, session)))
        await queue([forwarded], session);
    });
  }

  const endedStripeEvents = () =>
    models.webhookEvents
      .find(
        {
          ...PENDING,
          state: { $in: [WebhookEventStatus.APPLIED, WebhookEventStatus.IGNORED] },
          ...due(),
        },
        { _id: 1 },
      )
      .limit(PAGE)
      .lean<{ _id: string }[]>();

  /** The overrides of a contract end without a write. So does a grace period: tenants in one are checked each time. */
  async function changedTenants(): Promise<Set<string>> {
    const [tenants, ended, subscriptions, inGrace] = await Promise.all([
      models.tenants
        .find({ ...PENDING, ...due() }, { _id: 1 })
        .limit(PAGE)
        .lean<TenantDoc[]>(),
      models.tenants
        .find(
          { 'contract.endUnannounced': true, 'contract.until': { $lte: new Date(clock.now()) }, ...due() },
          { _id: 1 },
        )
        .limit(PAGE)
        .lean<TenantDoc[]>(),
      models.billingSubscriptions
        .find({ ...PENDING, ...due() }, { _id: 1 })
        .limit(PAGE)
        .lean<BillingSubscriptionDoc[]>(),
      endedGraces(),
    ]);
    const changed = [tenants, ended, subscriptions].flatMap((docs) => docs.map(({ _id }) => _id));
    return new Set([...changed, ...inGrace]);
  }

  /** One page a pass, so that any number of tenants is checked without reading all at once. */
  async function endedGraces(): Promise<string[]> {
    const overdue = await models.billingSubscriptions
      .find({ _id: { $gt: graceAfter }, status: 'past_due', pastDueSince: { $ne: null }, ...due() })
      .sort({ _id: 1 })
      .limit(PAGE)
      .lean<BillingSubscriptionDoc[]>();
    graceAfter = overdue.length < PAGE ? '' : (overdue.at(-1)?._id ?? '');
    const ids = overdue.map(({ _id }) => _id);
    const [tenants, states] = await Promise.all([
      models.tenants.find({ _id: { $in: ids } }).lean<TenantDoc[]>(),
      models.publishedStates.find({ _id: { $in: ids } }).lean<PublishedStateDoc[]>(),
    ]);
    const published = new Map(states.map(({ _id, tier }) => [_id, tier]));
    const subscriptionOf = new Map(overdue.map((subscription) => [subscription._id, subscription]));
    return tenants
      .filter((tenant) => {
        const tier = tierOf(tenant, subscriptionOf.get(tenant._id) ?? null);
        return tier !== (published.get(tenant._id) ?? defaultTier);
      })
      .map(({ _id }) => _id);
  }

  /** @returns null when it is unknown: publishing the tenant will log why */
  function tierOf(tenant: TenantDoc, subscription: BillingSubscriptionDoc | null): string | null {
    try {
      return entitlements.derive(tenant, subscription).tier;
    } catch {
      return null;
    }
  }

  return {
    async publish() {
      const tenantIds = await changedTenants();
      const tenantDocuments = [models.tenants.collection, models.billingSubscriptions.collection];
      for (const tenantId of tenantIds)
        await attempt('tenant', tenantId, tenantDocuments, () => publishTenant(tenantId));
      const alerts = await models.usageAlerts
        .find({ ...PENDING, ...due() })
        .sort({ _id: 1 })
        .limit(PAGE)
        .lean<UsageAlertDoc[]>();
      for (const alert of alerts)
        await attempt('alert', alert._id, [models.usageAlerts.collection], () => publishAlert(alert));
      const events = await endedStripeEvents();
      for (const event of events)
        await attempt('event', event._id, [models.webhookEvents.collection], () => publishStripeEvent(event));
      return tenantIds.size + alerts.length + events.length;
    },
  };
}

/** A tenant that was reinstated and suspended again meanwhile has another time. */
function suspensionEvents(tenant: TenantDoc, published: PublishedStateDoc | null): OutgoingEvent[] {
  const { _id: tenantId, externalId, suspendedAt, suspendedReason, erasure } = tenant;
  if (erasure) return [];
  if (suspendedAt?.getTime() === published?.suspendedAt?.getTime()) return [];
  const ids = { tenantId, externalId: externalId ?? null };
  if (!suspendedAt) return [{ type: OutgoingEventType.TENANT_REINSTATED, data: ids }];
  const data = { ...ids, suspendedAt, reason: suspendedReason ?? null };
  return [{ type: OutgoingEventType.TENANT_SUSPENDED, data }];
}

/** A pause that is given another date is no other pause. */
function pauseEvents(data: ReturnType<typeof subscriptionData>, published: PublishedStateDoc | null) {
  const before = JSON.parse(published?.subscription ?? 'null') as { paymentPause?: unknown } | null;
  const isPaused = data.paymentPause !== null;
  if (isPaused === Boolean(before?.paymentPause)) return [];
  return [{ type: isPaused ? OutgoingEventType.PAYMENTS_PAUSED : OutgoingEventType.PAYMENTS_RESUMED, data }];
}

/** The event has the tenant's id alone, because nothing else is left. */
function erasureEvents({ _id: tenantId, erasure }: TenantDoc, published: PublishedStateDoc | null) {
  const erasedAt = erasure?.completedAt;
  if (!erasedAt || published?.erasedAt) return [];
  return [{ type: OutgoingEventType.TENANT_ERASED, data: { tenantId, erasedAt } }];
}

const subscriptionData = (subscription: BillingSubscriptionDoc, nameOf: Tiers['publicNameOf']) => {
  const { _id, tier, status, currentPeriodStart, currentPeriodEnd, cancelAtPeriodEnd, cancelAt, trialEnd } =
    subscription;
  const {
    pause = null,
    scheduledTier = null,
    scheduledAt = null,
    outsideCatalogue,
    stripeSubscriptionId,
  } = subscription;
  return {
    tenantId: _id,
    tier: nameOf(tier),
    status,
    currentPeriodStart,
    currentPeriodEnd,
    cancelAtPeriodEnd,
    cancelAt,
    trialEnd,
    paymentPause: pause,
    scheduledTier: scheduledTier && nameOf(scheduledTier),
    scheduledAt,
    outsideCatalogue: outsideCatalogue ?? false,
    stripeSubscriptionId,
  };
};
