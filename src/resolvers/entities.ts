import { forbidden, notFound, unauthenticated } from '../common/errors.js';
import type { Entity } from '../schema/subgraph.js';
import { ownTenantId } from '../services/accounts/caller.js';
import type { TenantDoc } from '../services/accounts/tenants.js';
import { LARGE_FIELDS } from '../services/memories/boundedReads.js';
import type { Context } from './context.js';
import { toEntitledTier, toMemory, toSubscription, toTenant, toTier } from './mappers.js';

/** What other subgraphs refer to. A list of them costs as many reads as one: all reads go through loaders. */
export const entities: readonly Entity<Context>[] = [
  {
    type: 'Tenant',
    key: 'id',
    rootField: 'Query.tenant',
    resolve: async (id, context) => toTenant(await visibleTenant(id, context)),
  },
  {
    type: 'Subscription',
    key: 'tenantId',
    rootField: 'Query.subscription',
    async resolve(tenantId, context) {
      await visibleTenant(tenantId, context);
      const { loaders, services } = context;
      const [doc, entitlement] = await Promise.all([
        loaders.subscription.load(tenantId),
        loaders.entitlement(tenantId),
      ]);
      return toSubscription(
        tenantId,
        doc,
        toEntitledTier(services.tiers, entitlement),
        services.entitlements.graceEndsAt(doc),
      );
    },
  },
  {
    type: 'Tier',
    key: 'name',
    rootField: 'Query.tier',
    async resolve(name, { services: { tiers } }) {
      if (!tiers.has(name)) throw notFound(`Tier ${name}`);
      return toTier(tiers, tiers.get(name));
    },
  },
  {
    type: 'Memory',
    key: 'id',
    rootField: 'Query.memory',
    async resolve(id, context) {
      const memory = await context.services.memories.find(ownTenantId(context), id, {
        fields: LARGE_FIELDS,
        budget: context.budget,
      });
      if (!memory) throw notFound(`Memory ${id}`);
      return toMemory(memory);
    },
  },
];

/** @throws FORBIDDEN for another tenant, whether it exists or not; NOT_FOUND for the operator */
async function visibleTenant(id: string, { principal, loaders }: Context): Promise<TenantDoc> {
  if (!principal) throw unauthenticated('An API key is needed');
  if (principal.kind !== 'operator' && !(principal.kind === 'tenant' && principal.tenantId === id)) {
    throw forbidden("Only the operator's key may look at another tenant");
  }
  const tenant = await loaders.tenant.load(id);
  if (!tenant) throw notFound(`Tenant ${id}`);
  return tenant;
}
