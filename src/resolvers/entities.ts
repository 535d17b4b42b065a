import { forbidden, notFound } from '../common/errors.js';
import type { Config } from '../config/config.js';
import type { Entity } from '../schema/subgraph.js';
import { ownTenantId, requirePrincipal } from '../services/accounts/principal.js';
import type { TenantDoc } from '../services/accounts/tenants.js';
import { LARGE_FIELDS } from '../services/memories/boundedReads.js';
import type { Context } from './context.js';
import { readSubscription, toMemory, toTenant } from './mappers.js';
import { visibleTier } from './visibleTiers.js';

/** The entities that other subgraphs can refer to. They are read through loaders, so that a list costs as many reads as one. */
export const entitiesOf = ({ sampleDomain }: Pick<Config, 'sampleDomain'>): readonly Entity<Context>[] =>
  sampleDomain ? [...entities, memory] : entities;

const entities: readonly Entity<Context>[] = [
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
      return readSubscription(tenantId, context);
    },
  },
  {
    type: 'Tier',
    key: 'name',
    rootField: 'Query.tier',
    // A reference has the name of the API, which the field's argument would map.
    resolve: (name, context) => visibleTier(context.services.tiers.storedNameOf(name) ?? name, context),
  },
];

const memory: Entity<Context> = {
  type: 'Memory',
  key: 'id',
  rootField: 'Query.memory',
  async resolve(id, context) {
    const found = await context.services.memories.find(ownTenantId(context), id, {
      fields: LARGE_FIELDS,
      budget: context.budget,
    });
    if (!found) throw notFound(`Memory ${id}`);
    return toMemory(found);
  },
};

/** @throws FORBIDDEN for another tenant, whether or not it exists; NOT_FOUND for the operator */
async function visibleTenant(id: string, context: Context): Promise<TenantDoc> {
  const principal = requirePrincipal(context.principal);
  if (principal.kind !== 'operator' && !(principal.kind === 'tenant' && principal.tenantId === id)) {
    throw forbidden("Only the operator's key can read another tenant");
  }
  const tenant = await context.loaders.tenant.load(id);
  if (!tenant) throw notFound(`Tenant ${id}`);
  return tenant;
}
