import type { Admission } from './admission/admission.js';
import type { AlertReview } from './alerts/alertReview.js';
import type { Alerts } from './alerts/alerts.js';
import type { IdempotencyKeys } from './idempotency/idempotencyKeys.js';
import type { ApiKeys } from './identity/apiKeys.js';
import type { Authenticator } from './identity/authenticator.js';
import type { Tenants } from './identity/tenants.js';
import type { RemoteDecisions } from './limits/remoteDecisions.js';
import type { Memories } from './memories/memories.js';
import type { Consumption } from './metering/consumption.js';
import type { UsageEvents } from './metering/usageEvents.js';
import type { OutgoingWebhooks } from './outgoing/outgoingWebhooks.js';
import type { WebhookDeliveries } from './outgoing/webhookDeliveries.js';
import type { WebhookEndpoints } from './outgoing/webhookEndpoints.js';
import type { Overage } from './overage.js';
import type { Storage } from './storage/storage.js';
import type { Inbox } from './stripe/inbox.js';
import type { Refusals } from './stripe/refusals.js';
import type { BillingAccount } from './subscriptions/billingAccount.js';
import type { Contracts } from './subscriptions/contracts.js';
import type { Subscriptions } from './subscriptions/subscriptions.js';
import type { TierChanges } from './subscriptions/tierChanges.js';
import type { Entitlements } from './tiers/entitlements.js';
import type { Tiers } from './tiers/tiers.js';
import type { Usage } from './usage.js';
import type { UsageReports } from './usageReports/usageReports.js';

/** What resolvers and REST routes may use. */
export interface Services {
  admission: Admission;
  alertReview: AlertReview;
  alerts: Alerts;
  apiKeys: ApiKeys;
  authenticator: Authenticator;
  billingAccount: BillingAccount;
  consumption: Consumption;
  contracts: Contracts;
  entitlements: Entitlements;
  idempotencyKeys: IdempotencyKeys;
  inbox: Pick<Inbox, 'page' | 'replay'>;
  memories: Memories;
  outgoingWebhooks: Pick<OutgoingWebhooks, 'wake'>;
  overage: Overage;
  remoteDecisions: RemoteDecisions;
  storage: Storage;
  subscriptions: Subscriptions;
  tenants: Tenants;
  tierChanges: TierChanges;
  tiers: Tiers;
  usage: Usage;
  usageEvents: UsageEvents;
  usageReports: UsageReports;
  webhookDeliveries: WebhookDeliveries;
  webhookEndpoints: WebhookEndpoints;
  /** Requests to the webhook that were refused. */
  webhookRefusals: Pick<Refusals, 'totals'>;
  /** The mock's page for a checkout; null in live mode. */
  localCheckoutUrl(sessionId: string): string | null;
  /** The mock's page of a billing portal; null in live mode. */
  localPortalUrl(sessionId: string): string | null;
}
