import type { FastifyPluginAsync } from 'fastify';
import type { CheckoutRequest } from '../services/billing/subscriptions/subscriptions.js';
import { UsageReportStatus } from '../services/billing/usageReports/usageReports.js';
import type { Services } from '../services/services.js';
import { type FieldRouteDeps, type FieldRoutes, fieldRoutes } from './fieldRoutes.js';
import * as openApi from './openApi/billing.js';
import { restEntitlement, restPreview, restSubscription, restTiers } from './restForms.js';

/** What a request wants to buy, as it names it. */
type Wanted = Omit<CheckoutRequest, 'byOperator'>;
type WantedChange = Wanted & { immediately?: boolean | null };

/** The REST routes for billing. They call the same services as the schema; names of tiers are in lower case. */
export const billingRoutes = (deps: FieldRouteDeps): FastifyPluginAsync =>
  fieldRoutes(deps, (routes, app) => {
    const { services } = deps;
    const { tiers } = services;
    const tierNames = tiers.all().map(({ name }) => tiers.publicNameOf(name).toLowerCase());
    const ofTiers = openApi.ofTiers(tierNames);

    app.get('/v1/billing/tiers', { schema: openApi.getTiers }, async () => ({ tiers: restTiers(services) }));
    addReading(routes, services);
    addPurchases(routes, services, ofTiers);
    addChanges(routes, services, ofTiers);
  });

type OfTiers = ReturnType<typeof openApi.ofTiers>;

/** Any name of a tier, as it is stored. */
const storedTier = ({ tiers }: Services, { tier }: { tier: string }): string =>
  tiers.storedNameOf(tier) ?? tier;

function addReading(routes: FieldRoutes, services: Services): void {
  routes.ofTenant('Query.entitlements', {
    method: 'GET',
    url: '/v1/billing/entitlements',
    schema: openApi.getEntitlements,
    run: async (_, { tenantId }) => ({
      entitlements: (await services.entitlementList.list(tenantId)).map(restEntitlement),
    }),
  });
  routes.ofTenant('Query.subscription', {
    method: 'GET',
    url: '/v1/billing/subscription',
    schema: openApi.getSubscription,
    async run(_, { tenantId }) {
      const [doc = null] = await services.subscriptions.findMany([tenantId]);
      return restSubscription(services, tenantId, doc);
    },
  });
}

function addPurchases(routes: FieldRoutes, services: Services, { createCheckoutSession }: OfTiers): void {
  routes.ofTenant<Wanted>('Mutation.createCheckoutSession', {
    method: 'POST',
    url: '/v1/billing/create-checkout-session',
    schema: createCheckoutSession,
    async run(wanted, { tenantId, isOperator, author }) {
      const request = { ...wanted, tier: storedTier(services, wanted), byOperator: isOperator };
      const { id, url } = await services.subscriptions.checkout(tenantId, request, author);
      return { session_id: id, url, local_url: services.localCheckoutUrl(id) };
    },
  });
  routes.ofTenant<{ returnUrl: string }>('Mutation.createPortalSession', {
    method: 'POST',
    url: '/v1/billing/create-portal-session',
    schema: openApi.createPortalSession,
    async run({ returnUrl }, { tenantId, author }) {
      const { id, url } = await services.billingAccount.portal(tenantId, returnUrl, author);
      return { session_id: id, url, local_url: services.localPortalUrl(id) };
    },
  });
  routes.ofTenant<{ quantity: number; idempotencyKey?: string }>('Mutation.reportUsage', {
    method: 'POST',
    url: '/v1/billing/report-usage',
    schema: openApi.reportUsage,
    async run({ quantity, idempotencyKey }, { tenantId, author }) {
      const report = await services.usageReports.report(tenantId, quantity, idempotencyKey, author);
      const status = report.status === UsageReportStatus.PENDING ? 'pending' : 'success';
      return { status, quantity, tenant_id: tenantId };
    },
  });
}

function addChanges(routes: FieldRoutes, services: Services, ofTiers: OfTiers): void {
  const { tiers, tierChanges, seatChanges, subscriptions } = services;
  const changeOf = (wanted: WantedChange, isOperator: boolean) => ({
    ...wanted,
    tier: storedTier(services, wanted),
    immediately: wanted.immediately ?? false,
    byOperator: isOperator,
  });

  routes.ofTenant<WantedChange>('Query.previewTierChange', {
    method: 'GET',
    url: '/v1/billing/preview-tier-change',
    schema: ofTiers.previewTierChange,
    run: async (wanted, { tenantId, isOperator }) =>
      restPreview(await tierChanges.preview(tenantId, changeOf(wanted, isOperator)), tiers),
  });
  routes.ofTenant<WantedChange>('Mutation.changeTier', {
    method: 'POST',
    url: '/v1/billing/change-tier',
    schema: ofTiers.changeTier,
    run: async (wanted, { tenantId, isOperator, author }) =>
      restSubscription(
        services,
        tenantId,
        await tierChanges.change(tenantId, changeOf(wanted, isOperator), author),
      ),
  });
  routes.ofTenant<{ seats: number }>('Query.previewSeats', {
    method: 'GET',
    url: '/v1/billing/preview-seats',
    schema: openApi.previewSeats,
    run: async ({ seats }, { tenantId }) => restPreview(await seatChanges.preview(tenantId, seats), tiers),
  });
  routes.ofTenant<{ seats: number }>('Mutation.setSeats', {
    method: 'POST',
    url: '/v1/billing/set-seats',
    schema: openApi.setSeats,
    run: async ({ seats }, { tenantId, author }) =>
      restSubscription(services, tenantId, await seatChanges.set(tenantId, seats, author)),
  });
  routes.ofTenant<{ atPeriodEnd?: boolean }>('Mutation.cancelSubscription', {
    method: 'POST',
    url: '/v1/billing/cancel-subscription',
    schema: openApi.cancelSubscription,
    run: async ({ atPeriodEnd = true }, { tenantId, author }) =>
      restSubscription(services, tenantId, await subscriptions.cancel(tenantId, atPeriodEnd, author)),
  });
  routes.ofTenant('Mutation.resumeSubscription', {
    method: 'POST',
    url: '/v1/billing/resume-subscription',
    schema: openApi.resumeSubscription,
    run: async (_, { tenantId, author }) =>
      restSubscription(services, tenantId, await subscriptions.resume(tenantId, author)),
  });
}
