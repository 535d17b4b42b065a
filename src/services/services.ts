import type { ApiKeys } from './accounts/apiKeys.js';
import type { Authenticator } from './accounts/authenticator.js';
import type { LimitOverrides } from './accounts/limitOverrides.js';
import type { TenantDirectory } from './accounts/tenantDirectory.js';
import type { TenantLifecycle } from './accounts/tenantLifecycle.js';
import type { Tenants } from './accounts/tenants.js';
import type { TenantTokens } from './accounts/tenantTokens.js';
import type { AuditLog } from './audit/auditLog.js';
import type { AuditReader } from './audit/auditReader.js';
import type { BillingAccount } from './billing/customers/billingAccount.js';
import type { TenantDirectory } from './billing/directory/tenantDirectory.js';
import type { Inbox } from './billing/inbox/inbox.js';
import type { Rejections } from './billing/inbox/rejections.js';
import type { Contracts } from './billing/subscriptions/contracts.js';
import type { Overage } from './billing/subscriptions/overage.js';
import type { Subscriptions } from './billing/subscriptions/subscriptions.js';
import type { TierChanges } from './billing/subscriptions/tierChanges.js';
import type { UsageReports } from './billing/usageReports/usageReports.js';
import type { IdempotencyKeys } from './idempotency/idempotencyKeys.js';
import type { Admission } from './limits/calls/admission.js';
import type { RemoteDecisions } from './limits/decisions/remoteDecisions.js';
import type { Storage } from './limits/storage/storage.js';
import type { Memories } from './memories/memories.js';
import type { TenantExports } from './tenantData/tenantExports.js';
import type { Entitlements } from './tiers/entitlements.js';
import type { ServerInstances } from './tiers/serverInstances.js';
import type { Tiers } from './tiers/tiers.js';
import type { AlertReview } from './usage/alerts/alertReview.js';
import type { Alerts } from './usage/alerts/alerts.js';
import type { Consumption } from './usage/recording/consumption.js';
import type { UsageEvents } from './usage/recording/usageEvents.js';
import type { Usage } from './usage/usage.js';
import type { OutgoingWebhooks } from './webhooks/outgoingWebhooks.js';
import type { WebhookDeliveries } from './webhooks/webhookDeliveries.js';
import type { WebhookEndpoints } from './webhooks/webhookEndpoints.js';

/** What resolvers and REST routes may use. */
export interface Services {
  admission: Admission;
  alertReview: AlertReview;
  alerts: Alerts;
  apiKeys: ApiKeys;
  auditLog: AuditLog;
  auditReader: AuditReader;
  authenticator: Authenticator;
  billingAccount: BillingAccount;
  consumption: Consumption;
  contracts: Contracts;
  entitlements: Entitlements;
  idempotencyKeys: IdempotencyKeys;
  limitOverrides: LimitOverrides;
  inbox: Pick<Inbox, 'page' | 'replay'>;
  memories: Memories;
  outgoingWebhooks: Pick<OutgoingWebhooks, 'wake'>;
  overage: Overage;
  remoteDecisions: RemoteDecisions;
  serverInstances: Pick<ServerInstances, 'list' | 'differing'>;
  storage: Storage;
  subscriptions: Subscriptions;
  tenantDirectory: TenantDirectory;
  tenantLifecycle: TenantLifecycle;
  tenantExports: TenantExports;
  tenants: Tenants;
  tenantTokens: TenantTokens;
  tierChanges: TierChanges;
  tiers: Tiers;
  usage: Usage;
  usageEvents: UsageEvents;
  usageReports: UsageReports;
  webhookDeliveries: WebhookDeliveries;
  webhookEndpoints: WebhookEndpoints;
  /** Requests to the webhook that were rejected. */
  webhookRejections: Pick<Rejections, 'totals'>;
  /** The mock's page for a checkout; null in live mode. */
  localCheckoutUrl(sessionId: string): string | null;
  /** The mock's page of a billing portal; null in live mode. */
  localPortalUrl(sessionId: string): string | null;
}
