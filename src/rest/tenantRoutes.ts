import type { FastifyPluginAsync } from 'fastify';
import { decodeCursor, encodeCursor } from '../common/cursors.js';
import type { NewTenantInput, TenantDoc } from '../services/accounts/tenants.js';
import { type FieldRouteDeps, fieldRoutes } from './fieldRoutes.js';
import * as openApi from './openApi/billing.js';
import { restTenant } from './restForms.js';

interface TenantsQuery {
  first: number;
  after?: string;
  search?: string;
  tier?: string;
}

/** The REST routes about tenants: for operators, and for a tenant about itself. */
export const tenantRoutes = (deps: FieldRouteDeps): FastifyPluginAsync =>
  fieldRoutes(deps, (routes) => {
    const { entitlements, subscriptions, tenants, tenantSearch, tiers } = deps.services;
    const tierNames = tiers.all().map(({ name }) => tiers.publicNameOf(name).toLowerCase());

    /** With their tiers, by one read for all of them. */
    async function withTiers(found: readonly TenantDoc[]) {
      const bought = await subscriptions.findMany(found.map(({ _id }) => _id));
      return found.map((tenant, i) => restTenant(tenant, entitlements.derive(tenant, bought[i] ?? null)));
    }

    routes.ofTenant('Query.tenant', {
      method: 'GET',
      url: '/v1/billing/tenant',
      schema: openApi.getTenant,
      run: async (_, { tenantId }) => (await withTiers([await tenants.get(tenantId)]))[0],
    });
    routes.ofOperator<TenantsQuery>('Query.tenants', {
      method: 'GET',
      url: '/v1/billing/tenants',
      schema: openApi.ofTiers(tierNames).listTenants,
      async run({ first, after, search, tier }) {
        const page = await tenantSearch.page({
          first,
          after: decodeCursor(after),
          search: search || null,
          tier: tier === undefined ? null : tiers.storedNameOf(tier),
          state: null,
        });
        return {
          tenants: await withTiers(page.tenants.map(({ tenant }) => tenant)),
          next_cursor: page.hasNextPage && page.endKey !== null ? encodeCursor(page.endKey) : null,
        };
      },
    });
    routes.ofOperator<NewTenantInput>('Mutation.createTenant', {
      method: 'POST',
      url: '/v1/billing/create-tenant',
      schema: openApi.createTenant,
      async run(input, { author }) {
        const { tenant, key } = await tenants.create(input, author);
        const [created] = await withTiers([tenant]);
        return { tenant: created, api_key: key && { id: key.apiKey._id, secret: key.secret } };
      },
    });
  });
