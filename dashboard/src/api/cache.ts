import { type FieldPolicy, InMemoryCache, type TypePolicies } from '@apollo/client';
import { relayStylePagination } from '@apollo/client/utilities';

const PAGING = new Set(['first', 'after']);

/** Pages of one list are joined; lists with other filters are other lists. */
function connection(): FieldPolicy {
  return relayStylePagination((args) => {
    const names = Object.keys(args ?? {}).filter((name) => !PAGING.has(name));
    return names.length === 0 ? false : names.sort();
  }) as FieldPolicy;
}

/** The root fields that are lists by cursor. A new one must be added here. */
const CONNECTIONS = [
  'alerts',
  'auditLog',
  'invoices',
  'memories',
  'reconcileRuns',
  'rejections',
  'tenants',
  'usageReports',
  'webhookDeliveries',
  'webhookEvents',
];

/**
 * Types without an id of their own, or whose id is not enough: a price keeps its id when its amount changes. They belong to the object that they were read from, and two queries that read
 * different fields of one add to each other. Tier is among them although it has a name: the limits of a tenant's tier
 * include the overrides of its contract.
 */
const PARTS = [
  'Brand',
  'LimitOverrides',
  'OverriddenLimits',
  'Overage',
  'StorageUsage',
  'StripeStatement',
  'Tier',
  'TierExplanation',
  'TierLimits',
  'TierPrice',
  'Usage',
];

const typePolicies: TypePolicies = {
  Query: { fields: Object.fromEntries(CONNECTIONS.map((name) => [name, connection()])) },
  ...Object.fromEntries(PARTS.map((name) => [name, { keyFields: false, merge: true }])),
  TenantErasure: { keyFields: ['tenantId'] },
  // Ids of reports are the tenants' own, so two tenants may have the same.
  UsageReport: { keyFields: (report) => (report.tenantId ? ['tenantId', 'id'] : false) },
  // So are the ids of alerts: they are made from the limit and the window.
  UsageAlert: { keyFields: false },
};

export function createCache(): InMemoryCache {
  return new InMemoryCache({ typePolicies });
}
