import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { featureNotAvailable } from '../../common/errors.js';
import type { StripeConfig } from '../../config/stripeConfig.js';
import type { Models } from '../../models/models.js';
import type { Tenants } from '../accounts/tenants.js';
import type { AuditLog } from '../audit/auditLog.js';
import { systemAuthor } from '../audit/author.js';
import { createLease } from '../infrastructure/lease.js';
import type { Metrics } from '../infrastructure/metrics.js';
import type { LimitServices } from '../limits/limitServices.js';
import type { TierServices } from '../tiers/tierServices.js';
import type { Alerts } from '../usage/alerts/alerts.js';
import { createUnbilledOverage } from '../usage/overage/unbilledOverage.js';
import type { UsageServices } from '../usage/usageServices.js';
import { type CustomerImport, createCustomerImport } from './customerImport/customerImport.js';
import { type BillingAccount, createBillingAccount } from './customers/billingAccount.js';
import { type CustomerErasure, createCustomerErasure } from './customers/customerErasure.js';
import { type Customers, createCustomers } from './customers/customers.js';
import { createEventEffect } from './inbox/eventEffects.js';
import { createInbox, type Inbox } from './inbox/inbox.js';
import { createRejections, type Rejections } from './inbox/rejections.js';
import { createWebhookVerifier, type WebhookVerifier } from './inbox/webhookVerifier.js';
import { createReconcile, type Reconcile } from './reconcile/reconcile.js';
import { createReconcileRuns, type ReconcileRuns } from './reconcile/reconcileRuns.js';
import { createRequestSlots } from './stripe/requestSlots.js';
import { createStripeClient, isLiveKey, MOCK_KEY } from './stripe/stripeClient.js';
import { createStripeComparisons, type StripeComparisons } from './stripeComparison.js';
import {
  type CancellationPreviews,
  createCancellationPreviews,
} from './subscriptions/cancellationPreview.js';
import { type Contracts, createContracts } from './subscriptions/contracts.js';
import { createCurrentSubscriptions } from './subscriptions/currentSubscriptions.js';
import { createInvoicePreviews } from './subscriptions/invoicePreviews.js';
import { createOverage, type Overage } from './subscriptions/overage.js';
import { createOverageItems } from './subscriptions/overageItems.js';
import { createPauses, type Pauses } from './subscriptions/pauses.js';
import { purchaseTermsOf } from './subscriptions/purchaseTerms.js';
import { createSeatChanges, type SeatChanges } from './subscriptions/seatChanges.js';
import { createSeatUse } from './subscriptions/seatUse.js';
import { createSubscriptionChanges } from './subscriptions/subscriptionChanges.js';
import { createSubscriptions, type Subscriptions } from './subscriptions/subscriptions.js';
import { createSuccessions, type Successions } from './subscriptions/successions.js';
import { createTierChanges, type TierChanges } from './subscriptions/tierChanges.js';
import { createTrials, type Trials } from './subscriptions/trials.js';
import { createSubscriptionSync } from './sync/subscriptionSync.js';
import { createTenantSearch, type TenantSearch } from './tenantSearch/tenantSearch.js';
import { createTermBackfill } from './tenantSearch/termBackfill.js';
import { createTierExplanations, type TierExplanations } from './tierExplanation.js';
import { createMeter } from './usageReports/meter.js';
import { createReportDelivery } from './usageReports/reportDelivery.js';
import { createUsageReporter, type UsageReporter } from './usageReports/usageReporter.js';
import { createUsageReports, type UsageReports } from './usageReports/usageReports.js';

/** Everything that is bought and paid through Stripe. */
export interface Billing {
  billingAccount: BillingAccount;
  cancellationPreviews: CancellationPreviews;
  contracts: Contracts;
  customerErasure: CustomerErasure;
  customerImport: CustomerImport;
  customers: Customers;
  inbox: Inbox;
  overage: Overage;
  pauses: Pauses;
  reconcile: Reconcile;
  reconcileRuns: ReconcileRuns;
  stripeComparisons: StripeComparisons;
  subscriptions: Subscriptions;
  tenantSearch: TenantSearch;
  seatChanges: SeatChanges;
  successions: Successions;
  tierChanges: TierChanges;
  tierExplanations: TierExplanations;
  trials: Trials;
  usageReporter: UsageReporter;
  usageReports: UsageReports;
  verify: WebhookVerifier;
  /** Requests to Stripe that wait for a slot within its rate limit. */
  waitingStripeRequests(): number;
  /** Requests to the webhook that were rejected. */
  webhookRejections: Rejections;
  start(): void;
  stop(): Promise<void>;
}

/** The mock Stripe that replaces the real one in mock mode. */
export interface StripeStandIn {
  fetch: typeof fetch;
  /** The mock's time, which a person may have advanced. */
  now(): Promise<Date>;
  /** The secrets that it signs webhooks with. */
  webhookSecrets(): readonly string[];
}

/** Longer than one page of reports takes, Stripe's retries included. */
const REPORTER_LEASE_MS = 600_000;
const RECONCILE_LEASE_MS = 120_000;
const BACKFILL_LEASE_MS = 60_000;

export function createBilling(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
  auditLog: AuditLog;
  config: StripeConfig;
  /** null in live mode. */
  standIn: StripeStandIn | null;
  tierServices: TierServices;
  alerts: Alerts;
  tenants: Tenants;
  limitServices: LimitServices;
  usageServices: UsageServices;
  upgradeUrl: () => string;
}): Billing {
  const { models, clock, log, auditLog, metrics, config, standIn, alerts, tenants, upgradeUrl } = deps;
  const { tiers, entitlements } = deps.tierServices;
  const { usageDays, storage } = deps.limitServices;
  const { overageLedger, usage } = deps.usageServices;
  const base = { models, clock, log, auditLog };

  const slots = createRequestSlots({ models, perSecond: config.requestsPerSecond });
  const stripe = createStripeClient(config, standIn?.fetch ?? null, slots, metrics);
  const purchaseTerms = purchaseTermsOf(config);
  const customers = createCustomers({ ...base, stripe, terms: purchaseTerms.customer });
  const sync = createSubscriptionSync({ ...base, stripe, tiers, customers, changed: entitlements.forget });
  const currentSubscriptions = createCurrentSubscriptions({ models, sync, tiers });
  const overageItems = createOverageItems({ stripe, tiers, currentSubscriptions, log });

  const delivery = createReportDelivery({
    ...base,
    meter: createMeter({ stripe }),
    customers,
    ensureBilled: (tenantId) => overageItems.ensure(tenantId, systemAuthor('usage reports')),
  });
  const usageReports = createUsageReports({ ...base, delivery });
  const usageReporter = createUsageReporter({
    ...base,
    ledger: overageLedger,
    delivery,
    lease: createLease({ models, name: 'usage reports', ttlMs: REPORTER_LEASE_MS, isPeriodic: true }),
  });

  const changes = createSubscriptionChanges({
    stripe,
    log,
    async reportUsage(tenantId) {
      await overageLedger.writeFor(tenantId);
      await delivery.deliverFor(tenantId);
    },
  });
  const { resources } = tiers.catalogue;
  const seatUse = createSeatUse({ storage, tenants, entitlements, resources });
  const subscriptionDeps = {
    ...base,
    stripe,
    tiers,
    customers,
    currentSubscriptions,
    changes,
    previews: createInvoicePreviews({ stripe }),
    purchaseTerms,
    seatUse,
  };
  const subscriptions = createSubscriptions(subscriptionDeps);

  const webhookRejections = createRejections();
  const inbox = createInbox({
    ...base,
    metrics,
    effect: createEventEffect({
      models,
      stripe,
      customers,
      sync,
      onMeterErrors: usageReports.noteMeterErrors,
    }),
    sync,
    rejections: webhookRejections,
    isLive: isLiveKey(standIn ? MOCK_KEY : (config.secretKey ?? '')),
  });
  const reconcileLease = createLease({
    models,
    name: 'reconcile',
    ttlMs: RECONCILE_LEASE_MS,
    isPeriodic: true,
  });
  const reconcile = createReconcile({
    ...base,
    stripe,
    sync,
    inbox,
    lease: reconcileLease,
  });

  const stripeNow = async () => standIn?.now() ?? new Date(clock.now());
  const unbilled = createUnbilledOverage({ ...base, usageDays, stripeNow });

  const termBackfill = createTermBackfill({
    models,
    log,
    lease: createLease({ models, name: 'search terms', ttlMs: BACKFILL_LEASE_MS }),
  });

  const tierChanges = createTierChanges(subscriptionDeps);
  return {
    billingAccount: createBillingAccount({
      ...base,
      stripe,
      customers,
      currentSubscriptions,
      portalConfiguration: config.portalConfiguration,
    }),
    cancellationPreviews: createCancellationPreviews({
      currentSubscriptions,
      tenants,
      entitlements,
      unbilled,
      tiers,
      clock,
      log,
    }),
    contracts: createContracts({ ...subscriptionDeps, tenants, subscriptions, sync }),
    customerErasure: createCustomerErasure({ ...subscriptionDeps, subscriptions, sync }),
    customerImport: createCustomerImport({ ...base, stripe, tiers, tenants, customers, sync }),
    customers,
    inbox,
    overage: createOverage({
      tenants,
      entitlements,
      usage,
      tiers,
      currentSubscriptions,
      items: overageItems,
      unbilled,
      notAvailable: (tier) => featureNotAvailable('OVERAGE', tier, upgradeUrl()),
    }),
    pauses: createPauses({ ...subscriptionDeps, stripeNow }),
    reconcile,
    reconcileRuns: createReconcileRuns({ models, lease: reconcileLease }),
    stripeComparisons: createStripeComparisons({ ...base, customers, sync, tiers }),
    subscriptions,
    tenantSearch: createTenantSearch({
      models,
      entitlements,
      alerts,
      defaultTier: tiers.defaultTier.name,
    }),
    seatChanges: createSeatChanges(subscriptionDeps),
    successions: createSuccessions({ models, tiers, tierChanges }),
    tierChanges,
    trials: createTrials(subscriptionDeps),
    tierExplanations: createTierExplanations({
      models,
      clock,
      tiers,
      entitlements,
      inbox,
      getTenant: tenants.get,
    }),
    usageReporter,
    usageReports,
    verify: createWebhookVerifier({
      clock,
      secrets: () => standIn?.webhookSecrets() ?? config.webhookSecrets,
      rejections: webhookRejections,
      acceptUnsigned: standIn !== null,
    }),
    waitingStripeRequests: slots.waiting,
    webhookRejections,
    start() {
      inbox.start();
      reconcile.start();
      usageReporter.start();
      termBackfill.start();
    },
    async stop() {
      await reconcile.stop();
      await inbox.stop();
      await usageReporter.stop();
      await termBackfill.stop();
    },
  };
}
