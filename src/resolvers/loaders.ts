import type { StorageAmounts } from '@continuum-billing/limits/core';
import DataLoader from 'dataloader';
import type { TenantDoc } from '../services/accounts/tenants.js';
import type { BillingSubscriptionDoc } from '../services/billing/subscriptions/subscriptions.js';
import type { TenantStandingDoc } from '../services/insights/standings.js';
import type { Services } from '../services/services.js';
import type { Entitlement } from '../services/tiers/entitlements.js';
import type { UsagePeriod, UsageReading } from '../services/usage/usage.js';

/** The loaders of one request. With them, a list of tenants costs as many reads as one tenant. */
export interface Loaders {
  tenant: DataLoader<string, TenantDoc | null>;
  subscription: DataLoader<string, BillingSubscriptionDoc | null>;
  standing: DataLoader<string, TenantStandingDoc | null>;
  stored: DataLoader<string, StorageAmounts>;
  /** By the customer's id at Stripe. */
  tenantOfCustomer: DataLoader<string, string | null>;
  entitlement(tenantId: string): Promise<Entitlement>;
  usage(tenantId: string, period: UsagePeriod): Promise<UsageReading>;
}

export function createLoaders(services: Services): Loaders {
  const tenant = new DataLoader((ids: readonly string[]) => services.tenants.findMany(ids));
  const subscription = new DataLoader((ids: readonly string[]) => services.subscriptions.findMany(ids));
  const standing = new DataLoader((ids: readonly string[]) => services.standings.findMany(ids));
  const stored = new DataLoader((ids: readonly string[]) => services.storage.stored(ids));

  const tenantOfCustomer = new DataLoader((ids: readonly string[]) => services.inbox.tenantsOf(ids));

  async function entitlement(tenantId: string): Promise<Entitlement> {
    const [doc, bought] = await Promise.all([tenant.load(tenantId), subscription.load(tenantId)]);
    // For a tenant that does not exist, the service throws the error.
    return doc ? services.entitlements.derive(doc, bought) : services.entitlements.get(tenantId);
  }

  const usage = new DataLoader<{ tenantId: string; period: UsagePeriod }, UsageReading, string>(
    async (keys) => {
      const terms = await Promise.all(keys.map(({ tenantId }) => entitlement(tenantId)));
      return services.usage.current(keys.map((key, i) => ({ ...key, terms: terms[i] as Entitlement })));
    },
    { cacheKeyFn: ({ tenantId, period }) => `${tenantId}:${period}` },
  );

  return {
    tenant,
    subscription,
    standing,
    stored,
    tenantOfCustomer,
    entitlement,
    usage: (tenantId, period) => usage.load({ tenantId, period }),
  };
}
