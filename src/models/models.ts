import type { Connection, Model, Schema } from 'mongoose';
import { type ApiKeyDoc, apiKeySchema } from './apiKey.js';
import {
  type AuditChainDoc,
  type AuditEntryDoc,
  type AuditPersonalValuesDoc,
  auditChainSchema,
  auditEntrySchema,
  auditPersonalValuesSchema,
} from './auditLog.js';
import { type BillingCustomerDoc, billingCustomerSchema } from './billingCustomer.js';
import { type BillingSubscriptionDoc, billingSubscriptionSchema } from './billingSubscription.js';
import { type EndedReceiptDoc, endedReceiptSchema } from './endedReceipt.js';
import { type FieldWindowDoc, fieldWindowSchema } from './fieldWindow.js';
import {
  type DailyFiguresDoc,
  dailyFiguresSchema,
  type HourlyActivityDoc,
  hourlyActivitySchema,
  type TenantCountsDoc,
  tenantCountsSchema,
} from './figures.js';
import { type IdempotencyKeyDoc, idempotencyKeySchema } from './idempotencyKey.js';
import { type LeaseDoc, leaseSchema } from './lease.js';
import { type LedgerDoc, ledgerSchema } from './ledger.js';
import { type MemoryDoc, memorySchema } from './memory.js';
import {
  type PublishedStateDoc,
  publishedStateSchema,
  type WebhookDeliveryDoc,
  type WebhookEndpointDoc,
  webhookDeliverySchema,
  webhookEndpointSchema,
} from './outgoingWebhook.js';
import { type ReconcileRunDoc, reconcileRunSchema } from './reconcileRun.js';
import { type RejectionDoc, rejectionSchema } from './rejection.js';
import { type ServerInstanceDoc, serverInstanceSchema } from './serverInstance.js';
import { type SessionDoc, sessionSchema } from './session.js';
import { type StripeRateDoc, stripeRateSchema } from './stripeRate.js';
import { type TenantDoc, tenantSchema } from './tenant.js';
import { type TenantStandingDoc, tenantStandingSchema } from './tenantStanding.js';
import { type UsageAlertDoc, usageAlertSchema } from './usageAlert.js';
import { type UsageDayDoc, usageDaySchema } from './usageDay.js';
import { type UsageEventBatchDoc, usageEventBatchSchema } from './usageEventBatch.js';
import { type UsageReportDoc, usageReportSchema } from './usageReport.js';
import { type WebhookEventDoc, webhookEventSchema } from './webhookEvent.js';

/** All collections, bound to one connection. */
export interface Models {
  connection: Connection;
  tenants: Model<TenantDoc>;
  apiKeys: Model<ApiKeyDoc>;
  serverInstances: Model<ServerInstanceDoc>;
  usageDays: Model<UsageDayDoc>;
  ledgers: Model<LedgerDoc>;
  memories: Model<MemoryDoc>;
  billingCustomers: Model<BillingCustomerDoc>;
  billingSubscriptions: Model<BillingSubscriptionDoc>;
  webhookEvents: Model<WebhookEventDoc>;
  fieldWindows: Model<FieldWindowDoc>;
  usageAlerts: Model<UsageAlertDoc>;
  usageEventBatches: Model<UsageEventBatchDoc>;
  usageReports: Model<UsageReportDoc>;
  leases: Model<LeaseDoc>;
  stripeRates: Model<StripeRateDoc>;
  reconcileRuns: Model<ReconcileRunDoc>;
  webhookEndpoints: Model<WebhookEndpointDoc>;
  webhookDeliveries: Model<WebhookDeliveryDoc>;
  publishedStates: Model<PublishedStateDoc>;
  endedReceipts: Model<EndedReceiptDoc>;
  idempotencyKeys: Model<IdempotencyKeyDoc>;
  auditChains: Model<AuditChainDoc>;
  auditEntries: Model<AuditEntryDoc>;
  auditPersonalValues: Model<AuditPersonalValuesDoc>;
  sessions: Model<SessionDoc>;
  tenantStandings: Model<TenantStandingDoc>;
  tenantCounts: Model<TenantCountsDoc>;
  dailyFigures: Model<DailyFiguresDoc>;
  hourlyActivity: Model<HourlyActivityDoc>;
  rejections: Model<RejectionDoc>;
}

/** Creates the models. `createCollections` then creates their collections and indexes. */
export function createModels(connection: Connection): Models {
  const model = <T>(name: string, schema: Schema<T>) =>
    connection.model<T>(name, schema) as unknown as Model<T>;
  return {
    connection,
    tenants: model('Tenant', tenantSchema),
    apiKeys: model('ApiKey', apiKeySchema),
    serverInstances: model('ServerInstance', serverInstanceSchema),
    usageDays: model('UsageDay', usageDaySchema),
    ledgers: model('Ledger', ledgerSchema),
    memories: model('Memory', memorySchema),
    billingCustomers: model('BillingCustomer', billingCustomerSchema),
    billingSubscriptions: model('BillingSubscription', billingSubscriptionSchema),
    webhookEvents: model('WebhookEvent', webhookEventSchema),
    fieldWindows: model('FieldWindow', fieldWindowSchema),
    usageAlerts: model('UsageAlert', usageAlertSchema),
    usageEventBatches: model('UsageEventBatch', usageEventBatchSchema),
    usageReports: model('UsageReport', usageReportSchema),
    leases: model('Lease', leaseSchema),
    stripeRates: model('StripeRate', stripeRateSchema),
    reconcileRuns: model('ReconcileRun', reconcileRunSchema),
    webhookEndpoints: model('WebhookEndpoint', webhookEndpointSchema),
    webhookDeliveries: model('WebhookDelivery', webhookDeliverySchema),
    publishedStates: model('AnnouncedState', publishedStateSchema),
    endedReceipts: model('EndedReceipt', endedReceiptSchema),
    idempotencyKeys: model('IdempotencyKey', idempotencyKeySchema),
    auditChains: model('AuditChain', auditChainSchema),
    auditEntries: model('AuditEntry', auditEntrySchema),
    auditPersonalValues: model('AuditPersonalValues', auditPersonalValuesSchema),
    sessions: model('Session', sessionSchema),
    tenantStandings: model('TenantStanding', tenantStandingSchema),
    tenantCounts: model('TenantCounts', tenantCountsSchema),
    dailyFigures: model('DailyFigures', dailyFiguresSchema),
    hourlyActivity: model('HourlyActivity', hourlyActivitySchema),
    rejections: model('Rejection', rejectionSchema),
  };
}

/** Creates collections and indexes before the first transaction needs them. Safe to repeat and to run on several instances. */
export async function createCollections(models: Models): Promise<void> {
  await Promise.all(
    Object.values(models.connection.models).map(async (model) => {
      await model.createCollection();
      await model.createIndexes();
    }),
  );
}
