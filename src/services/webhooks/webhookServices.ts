import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import type { AuditLog } from '../audit/auditLog.js';
import { createLease } from '../infrastructure/lease.js';
import type { Metrics } from '../infrastructure/metrics.js';
import type { TierServices } from '../tiers/tierServices.js';
import { createEndpointHealth } from './endpointHealth.js';
import { createOutboxRelay, type TenantChanged } from './outboxRelay.js';
import { createOutgoingWebhooks, type OutgoingWebhooks } from './outgoingWebhooks.js';
import { createWebhookDeliveries, type WebhookDeliveries } from './webhookDeliveries.js';
import { createWebhookEndpoints, type WebhookEndpoints } from './webhookEndpoints.js';
import { createSendWebhook } from './webhookRequest.js';
import { createWebhookTargets } from './webhookTargets.js';

/** Publishes changes to the operator's own systems. */
export interface WebhookServices {
  outgoingWebhooks: OutgoingWebhooks;
  webhookDeliveries: WebhookDeliveries;
  webhookEndpoints: WebhookEndpoints;
  start(): void;
  stop(): Promise<void>;
}

const RELAY_LEASE_MS = 30_000;

export function createWebhookServices(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  auditLog: AuditLog;
  tierServices: TierServices;
  /** Networks (CIDR) that webhooks may reach although they are not public. */
  allowedNetworks: readonly string[];
  requireHttps: boolean;
  /** Called in the transaction that publishes a change of a tenant. */
  changed: TenantChanged;
}): WebhookServices {
  const { models, clock, log, auditLog, metrics, allowedNetworks, requireHttps, changed } = deps;
  const { tiers, entitlements } = deps.tierServices;
  const base = { models, clock, log, auditLog };
  const targets = createWebhookTargets({ allowedNetworks, requireHttps });
  const webhookDeliveries = createWebhookDeliveries({
    ...base,
    metrics,
    health: createEndpointHealth(base),
    send: createSendWebhook({ targets }),
  });
  const outgoingWebhooks = createOutgoingWebhooks({
    log,
    relay: createOutboxRelay({ ...base, entitlements, changed, tiers }),
    deliveries: webhookDeliveries,
    lease: createLease({ models, name: 'outgoing webhooks', ttlMs: RELAY_LEASE_MS, isPeriodic: true }),
  });
  return {
    outgoingWebhooks,
    webhookDeliveries,
    webhookEndpoints: createWebhookEndpoints({ ...base, targets }),
    start: outgoingWebhooks.start,
    stop: outgoingWebhooks.stop,
  };
}
