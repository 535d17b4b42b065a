import type { mongo } from 'mongoose';
import type { ApiKeyDoc } from '../../models/apiKey.js';
import type { AuditEntryDoc, AuditPersonalValuesDoc } from '../../models/auditLog.js';
import type { BillingCustomerDoc } from '../../models/billingCustomer.js';
import type { BillingSubscriptionDoc } from '../../models/billingSubscription.js';
import type { LedgerDoc } from '../../models/ledger.js';
import type { MemoryDoc } from '../../models/memory.js';
import type { Models } from '../../models/models.js';
import type { RejectionDoc } from '../../models/rejection.js';
import type { TenantDoc } from '../../models/tenant.js';
import type { UsageAlertDoc } from '../../models/usageAlert.js';
import type { UsageDayDoc } from '../../models/usageDay.js';
import type { UsageEventBatchDoc } from '../../models/usageEventBatch.js';
import type { UsageReportDoc } from '../../models/usageReport.js';
import type { WebhookEventDoc } from '../../models/webhookEvent.js';
import { openFields } from '../audit/auditedFields.js';
import { forTenant } from '../audit/auditReader.js';
import { shownEvent } from '../billing/inbox/shownEvent.js';
import { decodeEndpoint } from '../limits/ledger/endpointNames.js';
import { daysOf } from '../limits/ledger/usageDays.js';
import { unpackEmbedding } from '../memories/embedding.js';

/** Whose documents are meant. */
export interface DataSubject {
  tenantId: string;
  /** Its customers at Stripe, earlier ones included. */
  customerIds: readonly string[];
}

/** Where a collection has documents of tenants, and what the archive has of them. */
export interface TenantDocuments {
  /** Selects the documents of one tenant by an index. */
  of(subject: DataSubject): object;
  /** Further stages of the query, for what the record needs of other collections. */
  stages?: readonly mongo.Document[];
  /** Records of the archive, by the name of their kind; or why the archive has none. */
  exported:
    | { kinds: readonly string[]; records(doc: mongo.Document): readonly NamedRecord[] }
    | { not: string };
  /** What becomes of them when the tenant is erased: see `erasedDocuments.ts`. */
  erased: 'DELETED' | { changed: string } | { kept: string };
}

export type CollectionName = Exclude<keyof Models, 'connection'>;

const byId = ({ tenantId }: DataSubject) => ({ _id: tenantId });
const byIdPrefix = ({ tenantId }: DataSubject) => ({ _id: { $gte: `${tenantId}:`, $lt: `${tenantId};` } });
const byTenant = ({ tenantId }: DataSubject) => ({ tenantId });

/** The part of an id after the tenant's. */
const ownPart = (id: string): string => id.slice(id.indexOf(':') + 1);

type NamedRecord = readonly [kind: string, record: object];

const exported = <T>(as: string, record: (doc: T) => object) => ({
  kinds: [as],
  records: (doc: mongo.Document): NamedRecord[] => [[as, record(doc as T)]],
});

const exportedDay = ({ _id, calls, endpoints, hours, ...day }: UsageDayDoc) => ({
  day: ownPart(_id),
  calls,
  endpoints: Object.fromEntries(
    Object.entries(endpoints ?? {}).map(([name, count]) => [decodeEndpoint(name), count]),
  ),
  hours: hours ?? {},
  federationShares: day.federationShares ?? 0,
  extractions: day.extractions ?? 0,
  recordedEvents: day.recordedEvents,
  overage: day.overage,
});

/**
 * Every collection, so that a new one does not compile before it is decided what happens to its documents of a tenant.
 * A text says why a collection has none. Records name each field or leave out the internal ones; they never have a
 * secret, nor a hash of one.
 */
export const TENANT_DOCUMENTS: Readonly<Record<CollectionName, TenantDocuments | string>> = {
  tenants: {
    of: byId,
    exported: exported<TenantDoc>(
      'tenant',
      ({ _id, externalId, name, email, contract, overage, suspendedAt, createdAt }) => ({
        id: _id,
        externalId,
        name,
        email,
        // Reasons and authors are the operator's own notes, as the API has it.
        contract: {
          tier: contract.tier,
          limits: contract.limits,
          until: contract.until,
          setAt: contract.setAt,
        },
        overage,
        suspendedAt,
        createdAt,
      }),
    ),
    erased: { changed: 'its ids and times stay' },
  },
  apiKeys: {
    of: byTenant,
    exported: exported<ApiKeyDoc>('apiKey', ({ _id, name, scopes, createdAt, ...key }) => ({
      id: _id,
      name,
      scopes,
      createdAt,
      expiresAt: key.expiresAt,
      revokedAt: key.revokedAt,
      lastUsedAt: key.lastUsedAt,
      rotatedTo: key.rotatedTo,
    })),
    erased: 'DELETED',
  },
  billingCustomers: {
    of: byId,
    exported: exported<BillingCustomerDoc>('customer', ({ stripeCustomerId, email, ...customer }) => ({
      stripeCustomerId,
      email,
      paymentMethodAttachedAt: customer.paymentMethodAttachedAt,
      createdAt: customer.createdAt,
      updatedAt: customer.updatedAt,
    })),
    erased: { changed: 'the ids at Stripe stay, because invoices name them' },
  },
  billingSubscriptions: {
    of: byId,
    exported: exported<BillingSubscriptionDoc>(
      'subscription',
      ({
        _id,
        asOf: _asOf,
        revision: _revision,
        unannounced: _unannounced,
        announceRetry: _retry,
        ...subscription
      }) => subscription,
    ),
    erased: { kept: 'ids at Stripe, tier, status and dates, which accounting needs' },
  },
  // Before the history, to which a day may move meanwhile: then the archive has it twice.
  ledgers: {
    of: byId,
    exported: {
      kinds: ['storage', 'usageDay'],
      records(doc) {
        const ledger = doc as unknown as LedgerDoc;
        const storage = { ...ledger.levels, dimensions: ledger.dimensions ?? null };
        return [
          ['storage', storage],
          ...daysOf(ledger).map((day) => ['usageDay', exportedDay(day)] as const),
        ];
      },
    },
    erased: { changed: 'storage goes; numbers of calls stay, from which bills are made' },
  },
  usageDays: {
    of: byIdPrefix,
    exported: exported<UsageDayDoc>('usageDay', exportedDay),
    erased: { kept: 'numbers of calls, from which bills were made; the history expires' },
  },
  usageEventBatches: {
    of: byTenant,
    exported: exported<UsageEventBatchDoc>('usageEvents', ({ recordedAt, events }) => ({
      recordedAt,
      events,
    })),
    erased: { changed: 'deleted as soon as the usage days count them' },
  },
  usageReports: {
    of: byIdPrefix,
    exported: exported<UsageReportDoc>('usageReport', ({ _id, kind, quantity, status, at, reportedAt }) => ({
      id: ownPart(_id),
      kind,
      quantity,
      status,
      at,
      reportedAt,
    })),
    erased: { changed: 'what Stripe has stays; what it does not have is ended' },
  },
  usageAlerts: {
    of: byIdPrefix,
    exported: exported<UsageAlertDoc>('alert', ({ kind, level, window, used, limit, at }) => ({
      kind,
      level,
      window,
      used,
      limit,
      at,
    })),
    erased: 'DELETED',
  },
  memories: {
    of: byIdPrefix,
    exported: exported<MemoryDoc>('memory', ({ _id, content, embedding, metadata, ...memory }) => ({
      id: ownPart(_id),
      content,
      embedding: embedding && [...unpackEmbedding(embedding)],
      metadata: metadata && JSON.parse(metadata),
      bytes: memory.bytes,
      sharedAt: memory.sharedAt,
      createdAt: memory.createdAt,
    })),
    erased: 'DELETED',
  },
  webhookEvents: {
    of: ({ customerIds }) => ({ customer: { $in: [...customerIds] } }),
    exported: exported<WebhookEventDoc>('webhookEvent', ({ _id, type, state, payload, receivedAt }) => ({
      id: _id,
      type,
      status: state,
      receivedAt,
      event: shownEvent(payload),
    })),
    erased: { changed: 'the ids stay; the content goes' },
  },
  auditEntries: {
    of: byIdPrefix,
    stages: [
      { $lookup: { from: 'audit_personal_values', localField: '_id', foreignField: '_id', as: 'personal' } },
    ],
    exported: exported<AuditEntryDoc & { personal: AuditPersonalValuesDoc[] }>(
      'auditEntry',
      // Without the hash, which covers what is hidden from tenants, too.
      ({ _id, at, actor, action, before, after, requestId, personal: [personal] }) =>
        forTenant({
          id: _id,
          at,
          actor,
          action,
          before: openFields(before, 'before', personal?.values ?? []),
          after: openFields(after, 'after', personal?.values ?? []),
          requestId,
        }),
    ),
    erased: { kept: 'the chain of hashes covers them; personal values are stored apart' },
  },
  auditChains: { of: byId, exported: { not: 'the entries say the same' }, erased: { kept: 'hashes' } },
  auditPersonalValues: {
    of: byIdPrefix,
    exported: { not: 'the audit entries contain them' },
    erased: { changed: 'the audit log erases them' },
  },
  fieldWindows: {
    of: byIdPrefix,
    exported: { not: 'the times of calls in the last minutes' },
    erased: 'DELETED',
  },
  idempotencyKeys: {
    of: byIdPrefix,
    exported: { not: 'copies of responses for a day; what they are about is exported itself' },
    erased: 'DELETED',
  },
  endedReceipts: {
    of: byIdPrefix,
    exported: { not: 'numbers without any content' },
    erased: { kept: 'numbers, for minutes' },
  },
  publishedStates: {
    of: byId,
    exported: { not: 'a copy of the subscription’s state' },
    erased: { kept: 'the tier and the subscription’s ids, status and dates' },
  },
  sessions: {
    of: byTenant,
    exported: { not: 'browsers that are signed in, for hours' },
    erased: 'DELETED',
  },
  webhookDeliveries: {
    of: byTenant,
    exported: { not: 'messages to the operator’s own systems' },
    erased: { changed: 'deleted, but for those that say how the tenant ended' },
  },
  rejections: {
    of: byIdPrefix,
    exported: exported<RejectionDoc>('rejection', ({ code, reason, subject, tier, by, firstAt, lastAt }) => ({
      code,
      reason,
      subject,
      tier,
      count: Object.values(by).reduce((sum, count) => sum + count, 0),
      firstAt,
      lastAt,
    })),
    erased: 'DELETED',
  },
  tenantStandings: {
    of: byId,
    exported: { not: 'it follows from the tenant, its subscription and its usage' },
    erased: { kept: 'tier, states and times, by which it is counted as erased' },
  },
  tenantCounts: 'sums over all tenants',
  dailyFigures: 'sums over all tenants',
  hourlyActivity: 'sums over all tenants',
  serverInstances: 'heartbeats of servers',
  leases: 'names of work, and of customers at Stripe for as long as it takes to apply their events',
  stripeRates: 'endpoints of Stripe',
  reconcileRuns: 'differences from Stripe by its ids',
  webhookEndpoints: 'the operator’s own systems',
};

/** The tenant's customers at Stripe. */
export async function subjectOf(models: Models, tenantId: string): Promise<DataSubject> {
  const customer = await models.billingCustomers.findById(tenantId).lean<BillingCustomerDoc>();
  const ids = [customer?.stripeCustomerId ?? [], customer?.formerStripeIds ?? []].flat();
  return { tenantId, customerIds: ids };
}
