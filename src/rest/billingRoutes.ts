import { ApiKeyScope, needGoodValue, type Rules } from '@continuum-billing/limits/core';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { forbidden } from '../common/errors.js';
import { authorOf, ownTenantId, type Principal, requirePrincipal } from '../services/accounts/principal.js';
import type { Author } from '../services/audit/author.js';
import { paidPriceOf } from '../services/billing/subscriptions/paidPrices.js';
import type { BillingSubscriptionDoc } from '../services/billing/subscriptions/subscriptions.js';
import { UsageReportStatus } from '../services/billing/usageReports/usageReports.js';
import type { CallerSlots } from '../services/limits/callerSlots.js';
import { isRejection, type TenantLimits } from '../services/limits/tenantLimits.js';
import type { Services } from '../services/services.js';
import { clientAddress } from './clientAddress.js';
import { takeJson } from './jsonBody.js';
import type { LargeRequests } from './largeRequests.js';
import * as openApi from './openApi.js';
import { restEntitlement, restPreview, restTiers, withRestNames } from './restForms.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The tenant of the key. On the billing routes, it is set before the body is read. */
    tenantId: string;
    author: Author;
  }
}

interface CheckoutBody {
  tier: string;
  success_url: string;
  cancel_url: string;
  customer_email?: string;
  interval?: 'month' | 'year' | null;
  interval_count?: number | null;
  currency?: string | null;
  seats?: number | null;
}

/** The REST routes for billing. They call the same services as the schema; names of tiers are in lower case. */
export function billingRoutes(deps: {
  services: Services;
  callerSlots: CallerSlots;
  largeRequests: LargeRequests;
  authenticate: (request: FastifyRequest) => Promise<Principal | null>;
  /** The rules of the schema. A route shares the limit of the field that does the same. */
  rules: Rules;
  limits: TenantLimits;
}): FastifyPluginAsync {
  const { services, callerSlots, largeRequests, rules, limits } = deps;

  const limitedAs = (field: string) => {
    const fieldLimits = rules.get(field)?.fieldLimits ?? [];
    const cost = { charges: [], features: [], fieldLimits, stores: new Map(), concurrent: false };
    return async ({ tenantId }: FastifyRequest) => {
      const outcome = await limits.take(cost, tenantId);
      if (isRejection(outcome)) throw outcome.error;
    };
  };

  const onlyFor = (scope: ApiKeyScope) => async (request: FastifyRequest) => {
    const principal = requirePrincipal(await deps.authenticate(request));
    const tenantId = ownTenantId({ principal });
    if (principal.kind === 'tenant' && !principal.scopes.has(scope))
      throw forbidden(`This key lacks the scope ${scope}`);
    const caller = { principal, address: clientAddress(request) };
    request.tracked.whenOver(await callerSlots.take(caller, scope === ApiKeyScope.BILLING));
    request.tenantId = tenantId;
    request.author = authorOf(principal, request.id);
  };

  async function stateOf(tenantId: string, doc: BillingSubscriptionDoc | null) {
    const { tierName } = await services.entitlements.get(tenantId);
    const graceEndsAt = services.entitlements.graceEndsAt(doc);
    return {
      tenant_id: tenantId,
      tier: tierName.toLowerCase(),
      status: doc?.status ?? 'active',
      current_period_end: doc?.currentPeriodEnd?.toISOString() ?? null,
      cancel_at_period_end: doc?.cancelAtPeriodEnd ?? false,
      ...(doc && paidPriceOf(services.tiers, doc)?.perSeat && { seats: doc.quantity }),
      ...(doc?.pause && { payment_pause: { resumes_at: doc.pause.resumesAt?.toISOString() ?? null } }),
      ...(graceEndsAt && { grace_ends_at: graceEndsAt.toISOString() }),
    };
  }

  return async (app) => {
    app.decorateRequest('tenantId', '');
    app.decorateRequest('author');
    // Some clients send the content type JSON even without a body.
    takeJson(app, largeRequests, 'null');
    app.addHook('preValidation', async ({ body }) => needGoodValue('body', body));
    app.setErrorHandler((error) => {
      throw withRestNames(error);
    });
    const { tiers } = services;
    const tierNames = tiers.all().map(({ name }) => tiers.publicNameOf(name).toLowerCase());

    app.get('/v1/billing/tiers', { schema: openApi.getTiers }, async () => ({
      tiers: restTiers(services),
    }));

    app.get(
      '/v1/billing/entitlements',
      { schema: openApi.getEntitlements, onRequest: onlyFor(ApiKeyScope.READ) },
      async ({ tenantId }) => ({
        entitlements: (await services.entitlementList.list(tenantId)).map(restEntitlement),
      }),
    );

    app.get<{ Querystring: { seats: string } }>(
      '/v1/billing/preview-seats',
      {
        schema: openApi.previewSeats,
        onRequest: onlyFor(ApiKeyScope.BILLING),
        preHandler: limitedAs('Query.previewSeats'),
      },
      async ({ tenantId, query }) =>
        restPreview(await services.seatChanges.preview(tenantId, Number(query.seats)), tiers),
    );

    app.post<{ Body: { seats: number } }>(
      '/v1/billing/set-seats',
      {
        schema: openApi.setSeats,
        onRequest: onlyFor(ApiKeyScope.BILLING),
        preHandler: limitedAs('Mutation.setSeats'),
      },
      async ({ tenantId, author, body }) =>
        stateOf(tenantId, await services.seatChanges.set(tenantId, body.seats, author)),
    );

    app.post<{ Body: CheckoutBody }>(
      '/v1/billing/create-checkout-session',
      {
        schema: openApi.createCheckoutSession(tierNames),
        onRequest: onlyFor(ApiKeyScope.BILLING),
        preHandler: limitedAs('Mutation.createCheckoutSession'),
      },
      async ({ tenantId, author, body }) => {
        const { tier, success_url: successUrl, cancel_url: cancelUrl, customer_email: customerEmail } = body;
        const { interval, interval_count: intervalCount, currency, seats } = body;
        const wanted = {
          tier: tiers.storedNameOf(tier) ?? tier,
          successUrl,
          cancelUrl,
          customerEmail,
          interval,
          intervalCount,
          currency,
          seats,
        };
        const { id, url } = await services.subscriptions.checkout(tenantId, wanted, author);
        return { session_id: id, url, local_url: services.localCheckoutUrl(id) };
      },
    );

    app.get(
      '/v1/billing/subscription',
      { schema: openApi.getSubscription, onRequest: onlyFor(ApiKeyScope.READ) },
      async ({ tenantId }) => {
        const [doc] = await services.subscriptions.findMany([tenantId]);
        return stateOf(tenantId, doc ?? null);
      },
    );

    app.post<{ Body: { at_period_end?: boolean } | null | undefined }>(
      '/v1/billing/cancel-subscription',
      {
        schema: openApi.cancelSubscription,
        onRequest: onlyFor(ApiKeyScope.BILLING),
        preHandler: limitedAs('Mutation.cancelSubscription'),
      },
      async ({ tenantId, author, body }) =>
        stateOf(tenantId, await services.subscriptions.cancel(tenantId, body?.at_period_end ?? true, author)),
    );

    app.post<{ Body: { quantity: number; idempotency_key?: string } }>(
      '/v1/billing/report-usage',
      {
        schema: openApi.reportUsage,
        onRequest: onlyFor(ApiKeyScope.USAGE),
        preHandler: limitedAs('Mutation.reportUsage'),
      },
      async ({ tenantId, author, body }) => {
        const { quantity, idempotency_key: key } = body;
        const report = await services.usageReports.report(tenantId, quantity, key, author);
        const status = report.status === UsageReportStatus.PENDING ? 'pending' : 'success';
        return { status, quantity, tenant_id: tenantId };
      },
    );
  };
}
