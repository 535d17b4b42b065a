import type { Logger } from 'pino';
import type { Clock } from '../common/clock.js';
import type { Config } from '../config/config.js';
import type { Models } from '../models/models.js';
import { type Accounts, createAccounts } from './accounts/accounts.js';
import { createBillingPages } from './accounts/billingPages.js';
import { type AuditServices, createAuditServices } from './audit/auditServices.js';
import { type Billing, createBilling } from './billing/billing.js';
import { createIdempotencyKeys } from './idempotency/idempotencyKeys.js';
import type { Metrics } from './infrastructure/metrics.js';
import { createInsightServices, type InsightServices } from './insights/insightServices.js';
import { watchStripe } from './insights/stripeHealth.js';
import { createDecisionServices } from './limits/decisions/decisionServices.js';
import { createLimitServices, type LimitServices } from './limits/limitServices.js';
import { createMemories } from './memories/memories.js';
import type { MockControls } from './mockMode/mockMode.js';
import { createPublicBrand } from './publicBrand.js';
import { createRealtime, type Realtime } from './realtime/realtime.js';
import type { Services } from './services.js';
import { createTenantDataServices, type TenantDataServices } from './tenantData/tenantDataServices.js';
import { createTierServices, type TierServices } from './tiers/tierServices.js';
import { createAlerts, watchAdmission } from './usage/alerts/alerts.js';
import { createUsageServices, type UsageServices } from './usage/usageServices.js';
import { createWebhookServices, type WebhookServices } from './webhooks/webhookServices.js';

/** Everything that runs: what resolvers and routes use, and what the server itself and its tests reach for. */
export interface RunningServices extends Services {
  activity: LimitServices['activity'];
  admission: LimitServices['admission'];
  auditRetention: AuditServices['auditRetention'];
  callerSlots: LimitServices['callerSlots'];
  changes: LimitServices['changes'];
  checkCatalogue: TierServices['checkCatalogue'];
  concurrency: LimitServices['concurrency'];
  customerErasure: Billing['customerErasure'];
  customerImport: Billing['customerImport'];
  dailyFigures: InsightServices['dailyFigures'];
  erasures: TenantDataServices['erasures'];
  guesses: Accounts['guesses'];
  historyExpiry: UsageServices['historyExpiry'];
  inbox: Billing['inbox'];
  limits: LimitServices['limits'];
  /** null in live mode. */
  mock: MockControls | null;
  readBacklog: InsightServices['readBacklog'];
  standings: InsightServices['standings'];
  tenantCount: InsightServices['tenantCount'];
  usageRanks: LimitServices['usageRanks'];
  outgoingWebhooks: WebhookServices['outgoingWebhooks'];
  realtime: Realtime;
  reconcile: Billing['reconcile'];
  usageReporter: Billing['usageReporter'];
  verify: Billing['verify'];
  webhookRejections: Billing['webhookRejections'];
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServicesDeps {
  config: Config;
  models: Models;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  /** Where this server listens; undefined until it does. */
  ownUrl: () => string | undefined;
  publicUrl: () => string;
}

/** Wires the domains, each of which uses those above it, and starts and stops what runs beside the requests. */
export async function createServices(deps: ServicesDeps): Promise<RunningServices> {
  const { config, models, clock, log, publicUrl } = deps;
  const { metrics, stripeHealth } = watchStripe(deps.metrics, clock);
  const auditServices = createAuditServices({ ...config, models, clock, log });
  const { auditLog, auditRetention } = auditServices;
  const base = { models, clock, log, metrics, auditLog };
  const upgradeUrl = () => config.upgradeUrl ?? `${publicUrl()}/upgrade`;
  const isMock = config.stripe.mode === 'mock';

  const tierServices = createTierServices({ ...base, ...config, ...config.stripe });
  const { tiers, entitlements } = tierServices;

  const accounts = createAccounts({
    ...base,
    adminApiKeys: config.adminApiKeys,
    jwt: config.jwt,
    keyKind: isMock ? 'test' : 'live',
    tiers,
    entitlements,
  });
  const { authenticator, tenantDirectory, tenants } = accounts;

  const alerts = createAlerts({ ...base, sampleDomain: config.sampleDomain });
  const limitServices = createLimitServices({
    ...base,
    authenticator,
    tenantDirectory,
    tierServices,
    redisUrl: config.redisUrl,
    upgradeUrl,
    watch: (admission) => watchAdmission(admission, alerts),
  });
  const { admission, storage, usageDays } = limitServices;
  const decisionServices = createDecisionServices({ ...base, authenticator, tenantDirectory, limitServices });
  const idempotencyKeys = createIdempotencyKeys({ ...base, usageDays });

  const usageServices = createUsageServices({
    ...base,
    limitServices,
    tiers,
    entitlements,
    idempotencyKeys,
    alerts,
    maxEventsPerDay: config.maxUsageEventsPerDay,
    sampleDomain: config.sampleDomain,
  });
  const { alertReview } = usageServices;

  const memories = createMemories({
    ...base,
    storage,
    alone: admission.alone,
    idempotencyKeys,
    // An alert that is missed here is found by the next review.
    stored: (tenantId, amounts) => void alertReview.seeStored(tenantId, amounts).catch(() => undefined),
  });

  // Loaded in mock mode alone: a server in live mode never has the mock in memory.
  const mockMode = isMock
    ? (await import('./mockMode/mockMode.js')).createMockMode({
        ...deps,
        tiers,
        brand: config.brand,
        webhookSecrets: config.stripe.webhookSecrets,
        taxPercent: config.stripe.tax.mockPercent,
      })
    : null;
  const billing = createBilling({
    ...base,
    config: config.stripe,
    standIn: mockMode?.standIn ?? null,
    tierServices,
    alerts,
    tenants,
    limitServices,
    usageServices,
    upgradeUrl,
  });

  const insightServices = createInsightServices({
    ...base,
    tenants,
    tierServices,
    limitServices,
    alerts,
    graceDays: config.graceDays,
  });

  const webhookServices = createWebhookServices({
    ...base,
    tierServices,
    changed: (tenantId, session) => insightServices.standings.refresh([tenantId], session),
    allowedNetworks: config.webhookAllowedNetworks,
    requireHttps: config.production,
  });

  const realtime = createRealtime({
    ...base,
    ...accounts,
    ...usageServices,
    bounds: config.live,
    changes: limitServices.changes,
    entitlements,
  });

  const tenantData = createTenantDataServices({
    ...base,
    authenticator,
    tenants,
    customerErasure: billing.customerErasure,
    publicUrl,
    tenantChanged(tenantId) {
      accounts.tenantDirectory.forget(tenantId);
      entitlements.forget(tenantId);
    },
  });

  return {
    ...auditServices,
    ...tierServices,
    ...accounts,
    ...limitServices,
    ...decisionServices,
    ...usageServices,
    ...billing,
    ...insightServices,
    ...webhookServices,
    ...tenantData,
    stripeHealth,
    stripeMode: config.stripe.mode,
    alerts,
    billingPages: createBillingPages({ sessions: accounts.sessions, publicUrl }),
    brand: createPublicBrand({
      brand: config.brand,
      ownUpgradeUrl: config.upgradeUrl,
      publicUrl,
      upgradeUrl,
    }),
    idempotencyKeys,
    memories,
    sampleDomain: config.sampleDomain,
    realtime,
    mock: mockMode?.controlsOf(billing, tenants) ?? null,
    localCheckoutUrl: (sessionId) => (isMock ? `${publicUrl()}/mock/checkout/${sessionId}` : null),
    localPortalUrl: (sessionId) => (isMock ? `${publicUrl()}/mock/portal/${sessionId}` : null),
    async start() {
      auditRetention.start();
      await tierServices.start();
      await accounts.tenantTokens.start();
      await limitServices.start();
      idempotencyKeys.start();
      await decisionServices.start();
      await mockMode?.start();
      billing.start();
      insightServices.start();
      webhookServices.start();
      usageServices.start();
      realtime.start();
      await tenantData.start();
    },
    async stop() {
      await mockMode?.stop();
      await realtime.stop();
      await tenantData.stop();
      await billing.stop();
      await webhookServices.stop();
      await insightServices.stop();
      await usageServices.stop();
      decisionServices.stop();
      accounts.tenantTokens.stop();
      await idempotencyKeys.stop();
      await limitServices.stop();
      await alerts.idle();
      await auditRetention.stop();
    },
  };
}
