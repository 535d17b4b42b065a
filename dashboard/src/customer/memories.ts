import type { TenantArguments, Tier } from '@continuum-billing/client';
import { type TierDetails, useBillingQuery } from '@continuum-billing/react';
import { SAMPLE_DOMAIN } from '../api/sampleDomain.js';
import { formatNumber } from '../design/index.js';

type Limited = { name: string; limits: { maxMemories: number } };

const TIERS = '{ tiers { name limits { maxMemories } } }';
const OWN = `query OwnMemories($tenantId: ID!) {
  subscription(tenantId: $tenantId) { tier { name limits { maxMemories } } }
}`;

/** How many memories a tier has: the sample domain's own limit, of which the parts know nothing. */
export function useMemoriesOf(): (tier: Tier) => TierDetails | null {
  const { data } = useBillingQuery(
    'memories',
    async (client, tenant) => {
      if (!SAMPLE_DOMAIN) return [];
      const own = tenant.tenantId
        ? await client.request<{ subscription: { tier: Limited } }, TenantArguments>(OWN, tenant)
        : null;
      const { tiers } = await client.request<{ tiers: Limited[] }>(TIERS);
      // What the tenant has comes first: a contract may say more than the tier.
      return own ? [own.subscription.tier, ...tiers] : tiers;
    },
    null,
  );
  return ({ name }) => {
    const limits = data?.find((tier) => tier.name === name)?.limits;
    return limits && limits.maxMemories > 0
      ? { amounts: [`Memories: ${formatNumber(limits.maxMemories)}`] }
      : null;
  };
}
