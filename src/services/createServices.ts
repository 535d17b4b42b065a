import { type Concurrency, featureNotAvailable } from '@continuum-billing/limits/core';
import { createMockStripe, type MockStripe } from '@continuum-billing/mock-stripe';
import type { Logger } from 'pino';
import type { Clock } from '../common/clock.js';
import type { Config } from '../config/config.js';
import type { Models } from '../models/models.js';
import { createApiKeys } from './accounts/apiKeys.js';
import type { GuessLimit } from './accounts/guessLimit.js';
import { createTenants } from './accounts/tenants.js';
import { createBillingAccount } from './billing/customers/billingAccount.js';
import { createCustomers } from './billing/customers/customers.js';
import { createLaneEffect } from './billing/inbox/eventEffects.js';
import { createInbox, type Inbox } from './billing/inbox/inbox.js';
import { createRefusals, type Refusals } from './billing/inbox/rejections.js';
import { createWebhookVerifier, type WebhookVerifier } from './billing/inbox/webhookVerifier.js';
import { createReconcile, type Reconcile } from './billing/reconcile/reconcile.js';
import { isLiveKey } from './billing/stripe/keyMode.js';
import { createRequestTurns } from './billing/stripe/requestTurns.js';
import { createStripeClient, MOCK_KEY } from './billing/stripe/stripeClient.js';
import { createContracts } from './billing/subscriptions/contracts.js';
import { createHeldSubscriptions } from './billing/subscriptions/heldSubscriptions.js';
import { createOverage } from './billing/subscriptions/overage.js';
import { createOverageItems } from './billing/subscriptions/overageItems.js';
import { createSubscriptionChanges } from './billing/subscriptions/subscriptionChanges.js';
import { createSubscriptions } from './billing/subscriptions/subscriptions.js';
import { createTierChanges } from './billing/subscriptions/tierChanges.js';
import { createSubscriptionSync } from './billing/sync/subscriptionSync.js';
import { createMeter, METER_EVENT_NAMES } from './billing/usageReports/meter.js';
import { createReportDelivery } from './billing/usageReports/reportDelivery.js';
import { createUsageReporter, type UsageReporter } from './billing/usageReports/usageReporter.js';
import { createUsageReports } from './billing/usageReports/usageReports.js';
import { createIdempotencyKeys } from './idempotency/idempotencyKeys.js';
import { createLease } from './infrastructure/lease.js';
import { type CallerSlots, createCallerSlots } from './limits/callerSlots.js';
import { createEndpointNames } from './limits/calls/endpointNames.js';
import { createReceiptKeys } from './limits/decisions/receiptKeys.js';
import { createReceipts } from './limits/decisions/receipts.js';
import { createRemoteDecisions } from './limits/decisions/remoteDecisions.js';
import type { FieldLimits } from './limits/fieldLimits/fieldLimits.js';
import { createLimitServices } from './limits/limitServices.js';
import type { TenantLimits } from './limits/tenantLimits.js';
import { createMemories } from './memories/memories.js';
import { createMockTrigger, type MockTrigger } from './mockMode/mockTrigger.js';
import { loadMockWebhookSecret } from './mockMode/mockWebhookSecret.js';
import type { Services } from './services.js';
import { warnOfLostVersions } from './tiers/lostVersions.js';
import { callPriceOf } from './tiers/overagePrice.js';
import { createTiers } from './tiers/tiers.js';
import { createAlertReview } from './usage/alerts/alertReview.js';
import { createAlerts } from './usage/alerts/alerts.js';
import { watchAdmission } from './usage/alerts/watchedAdmission.js';
import { createHistoryExpiry, type HistoryExpiry } from './usage/historyExpiry.js';
import { createOverageLedger } from './usage/overage/overageLedger.js';
import { createUnbilledOverage } from './usage/overage/unbilledOverage.js';
import { createConsumption } from './usage/recording/consumption.js';
import { createDayCounts } from './usage/recording/dayCounts.js';
import { createEventJournal } from './usage/recording/eventJournal.js';
import { createEventRoom } from './usage/recording/eventRoom.js';
import { createUsageEvents } from './usage/recording/usageEvents.js';
import { createUsage } from './usage/usage.js';
import { createEndpointHealth } from './webhooks/endpointHealth.js';
import { createAnnouncer } from './webhooks/outboxRelay.js';
import { createOutgoingWebhooks, type OutgoingWebhooks } from './webhooks/outgoingWebhooks.js';
import { createWebhookDeliveries } from './webhooks/webhookDeliveries.js';
import { createWebhookEndpoints } from './webhooks/webhookEndpoints.js';
import { createSendWebhook } from './webhooks/webhookRequest.js';
import { createWebhookTargets } from './webhooks/webhookTargets.js';

export interface RunningServices extends Services {
  concurrency: Concurrency;
  fieldLimits: FieldLimits;
  guesses: GuessLimit;
  limits: TenantLimits;
  callerSlots: CallerSlots;
  inbox: Inbox;
  reconcile: Reconcile;
  outgoingWebhooks: OutgoingWebhooks;
  historyExpiry: HistoryExpiry;
  usageReporter: UsageReporter;
  verify: WebhookVerifier;
  /** Requests to the webhook that were refused. */
  webhookRefusals: Refusals;
  /** null in live mode. */
  mockStripe: MockStripe | null;
  mockTrigger: MockTrigger | null;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const SWEEP_MS = 30_000;
const SETTLE_MS = 3_000;
/** Longer than a page of reports takes, with Stripe's retries. */
const REPORTER_LEASE_MS = 600_000;
const ANNOUNCER_LEASE_MS = 30_000;
const RECONCILE_LEASE_MS = 120_000;
const EXPIRY_LEASE_MS = 120_000;

export interface ServicesDeps {
  config: Config;
  models: Models;
  clock: Clock;
  log: Logger;
  /** Where this server listens; undefined until it does. */
  ownUrl: () => string | undefined;
  publicUrl: () => string;
}

/** Wires the services and starts and stops what runs beside the requests. */
export function createServices({
  config,
  models,
  clock,
  log,
  ownUrl,
  publicUrl,
}: ServicesDeps): RunningServices {
  const base = { models, clock, log };
  const tiers = createTiers(config.catalogue, config.stripe.priceIds, config.stripe.overagePriceIds);
  const alerts = createAlerts(base);
  const deciding = createLimitServices({
    ...base,
    watch: (admission) => watchAdmission(admission, alerts),
    tiers,
    graceDays: config.graceDays,
    adminApiKeys: config.adminApiKeys,
    redisUrl: config.redisUrl,
    upgradeUrl: () => `${publicUrl()}/upgrade`,
  });
  const {
    admission,
    authenticator,
    concurrency,
    entitlements,
    fieldLimits,
    guesses,
    keyHashes,
    limits,
    storage,
  } = deciding;
  const changed = entitlements.forget;
  const isMock = config.stripe.mode === 'mock';
  const apiKeys = createApiKeys({ ...base, authenticator, keyHashes, kind: isMock ? 'test' : 'live' });
  const tenants = createTenants({ ...base, apiKeys, defaultTier: tiers.defaultTier.name, changed });

  let webhookSecrets = config.stripe.webhookSecrets;
  const mock = isMock ? createMock() : null;
  const stripe = createStripeClient(config.stripe, mock?.fetch ?? null, createRequestTurns(base));
  const customers = createCustomers({ ...base, stripe });
  const sync = createSubscriptionSync({ ...base, stripe, tiers, customers, changed });
  const held = createHeldSubscriptions({ models, sync });
  const subscriptionChanges = createSubscriptionChanges({
    stripe,
    log,
    async reportUsage(tenantId) {
      await overageLedger.writeFor(tenantId);
      await delivery.deliverFor(tenantId);
    },
  });
  const overageItems = createOverageItems({ tiers, held, changes: subscriptionChanges, log });
  const subscriptions = createSubscriptions({
    ...base,
    stripe,
    tiers,
    customers,
    held,
    changes: subscriptionChanges,
  });
  const webhookRefusals = createRefusals();
  const effect = createLaneEffect({
    models,
    stripe,
    customers,
    sync,
    usageRefused: (refusals) => usageReports.refused(refusals),
  });
  const inbox = createInbox({
    ...base,
    effect,
    refusals: webhookRefusals,
    isLive: isLiveKey(isMock ? MOCK_KEY : (config.stripe.secretKey ?? '')),
  });
  const reconcile = createReconcile({
    ...base,
    stripe,
    sync,
    inbox,
    lease: createLease({ models, name: 'reconcile', ttlMs: RECONCILE_LEASE_MS }),
  });
  const mockStripe = mock && settling(mock, inbox, () => usageReporter.flush());
  const mockTrigger =
    mock && settlingTrigger(createMockTrigger({ mock, customers, tenants, tiers, log }), mock, inbox);
  const endpointNames = createEndpointNames(base);
  const dayCounts = createDayCounts({ ...base, endpointNames, admission });
  const eventJournal = createEventJournal({ ...base, dayCounts });
  const usage = createUsage({ ...base, admission });
  const delivery = createReportDelivery({
    ...base,
    meter: createMeter({ stripe }),
    customers,
    ensureBilled: overageItems.ensure,
  });
  const usageReports = createUsageReports({ ...base, delivery });
  const overageLedger = createOverageLedger({ ...base, admission });
  const usageReporter = createUsageReporter({
    ...base,
    ledger: overageLedger,
    delivery,
    lease: createLease({ models, name: 'usage reports', ttlMs: REPORTER_LEASE_MS }),
  });
  const webhookTargets = createWebhookTargets({
    allowedNetworks: config.webhookAllowedNetworks,
    requireHttps: config.production,
  });
  const webhookDeliveries = createWebhookDeliveries({
    ...base,
    health: createEndpointHealth(base),
    send: createSendWebhook({ targets: webhookTargets }),
  });
  const outgoingWebhooks = createOutgoingWebhooks({
    log,
    announcer: createAnnouncer({ ...base, entitlements, defaultTier: tiers.defaultTier.name }),
    deliveries: webhookDeliveries,
    lease: createLease({ models, name: 'outgoing webhooks', ttlMs: ANNOUNCER_LEASE_MS }),
  });
  const historyExpiry = createHistoryExpiry({
    ...base,
    lease: createLease({ models, name: 'history expiry', ttlMs: EXPIRY_LEASE_MS }),
  });
  const receiptKeys = createReceiptKeys({ connection: models.connection, clock, log });
  const alertReview = createAlertReview({ ...base, alerts, entitlements, usage, storage });
  const idempotencyKeys = createIdempotencyKeys({ ...base, admission });
  let sweeping: NodeJS.Timeout | undefined;

  function countLeftovers(): void {
    eventJournal
      .countLeftovers()
      .catch((error: unknown) => log.warn({ err: error }, 'the sweep of usage events failed'));
  }

  function createMock(): MockStripe {
    const webhookUrl = () => {
      const url = ownUrl()?.replace('0.0.0.0', '127.0.0.1').replace('[::]', '[::1]');
      return url && `${url}/v1/billing/webhook`;
    };
    const prices = tiers.all().flatMap(({ name, monthlyPriceCents }) => {
      const id = tiers.getStripePriceId(name);
      if (!id) return [];
      const { currency } = config.catalogue;
      const overage = tiers.getOverage(name);
      const overageId = tiers.getOveragePriceId(name);
      return [
        {
          id,
          tier: name,
          unitAmountCents: monthlyPriceCents ?? 0,
          currency,
          productName: `Continuum ${name}`,
          overage:
            overage && overageId
              ? {
                  id: overageId,
                  unitAmount: callPriceOf(overage) ?? '',
                  meterEventName: METER_EVENT_NAMES.OVERAGE,
                }
              : null,
        },
      ];
    });
    const deps = {
      connection: models.connection,
      clock,
      log,
      webhookUrl,
      publicUrl,
      prices,
      meterEventNames: Object.values(METER_EVENT_NAMES),
    };
    return createMockStripe({ ...deps, webhookSecret: () => webhookSecrets[0] ?? '' });
  }

  return {
    admission,
    alertReview,
    alerts,
    apiKeys,
    authenticator,
    contracts: createContracts({
      ...base,
      stripe,
      tiers,
      tenants,
      customers,
      subscriptions,
      held,
      changes: subscriptionChanges,
      sync,
    }),
    billingAccount: createBillingAccount({
      ...base,
      stripe,
      customers,
      held,
      portalConfiguration: config.stripe.portalConfiguration,
    }),
    concurrency,
    entitlements,
    fieldLimits,
    guesses,
    idempotencyKeys,
    limits,
    callerSlots: createCallerSlots({ ...base, entitlements, upgradeUrl: () => `${publicUrl()}/upgrade` }),
    remoteDecisions: createRemoteDecisions({
      ...deciding,
      clock,
      endpointNames,
      receipts: createReceipts({ ...base, keys: receiptKeys }),
    }),
    inbox,
    reconcile,
    mockStripe,
    mockTrigger,
    storage,
    tenants,
    tiers,
    memories: createMemories({
      ...base,
      storage,
      idempotencyKeys,
      // The next review finds what this could not tell.
      stored: (tenantId, amounts) => void alertReview.seeStored(tenantId, amounts).catch(() => undefined),
    }),
    subscriptions,
    tierChanges: createTierChanges({ ...base, stripe, tiers, held, changes: subscriptionChanges }),
    usage,
    overage: createOverage({
      tenants,
      entitlements,
      usage,
      tiers,
      items: overageItems,
      unbilled: createUnbilledOverage({
        ...base,
        admission,
        stripeNow: async () => (mock ? mock.now() : new Date(clock.now())),
      }),
      currency: config.catalogue.currency,
      notAvailable: (tier) => featureNotAvailable('OVERAGE', tier, `${publicUrl()}/upgrade`),
    }),
    consumption: createConsumption({
      ...base,
      admission,
      entitlements,
      endpointNames,
      idempotencyKeys,
    }),
    usageEvents: createUsageEvents({
      ...base,
      room: createEventRoom({ models, maxPerDay: config.maxUsageEventsPerDay }),
      journal: eventJournal,
      recorded: alertReview.reviewSoon,
    }),
    usageReports,
    usageReporter,
    outgoingWebhooks,
    historyExpiry,
    webhookDeliveries,
    webhookEndpoints: createWebhookEndpoints({ ...base, targets: webhookTargets }),
    verify: createWebhookVerifier({
      clock,
      secrets: () => webhookSecrets,
      refusals: webhookRefusals,
      acceptUnsigned: isMock,
    }),
    webhookRefusals,
    localCheckoutUrl: (sessionId) => (isMock ? `${publicUrl()}/mock/checkout/${sessionId}` : null),
    localPortalUrl: (sessionId) => (isMock ? `${publicUrl()}/mock/portal/${sessionId}` : null),
    async start() {
      if (isMock && webhookSecrets.length === 0)
        webhookSecrets = [await loadMockWebhookSecret(models.connection)];
      for (const { name, overage } of tiers.all()) {
        if (!overage || tiers.getOverage(name)) continue;
        log.warn({ tier: name }, `no overage is sold on ${name}: STRIPE_PRICE_${name}_OVERAGE is not set`);
      }
      await deciding.start();
      idempotencyKeys.start();
      await receiptKeys.start();
      await mockStripe?.start();
      await warnOfLostVersions({ models, tiers, log });
      inbox.start();
      reconcile.start();
      usageReporter.start();
      outgoingWebhooks.start();
      historyExpiry.start();
      countLeftovers();
      sweeping = setInterval(() => {
        countLeftovers();
        storage
          .sweep()
          .catch((error: unknown) => log.warn({ err: error }, 'the sweep of storage holds failed'));
      }, SWEEP_MS).unref();
    },
    async stop() {
      clearInterval(sweeping);
      await mockStripe?.stop();
      await reconcile.stop();
      await inbox.stop();
      await usageReporter.stop();
      await outgoingWebhooks.stop();
      await historyExpiry.stop();
      await eventJournal.stop();
      await alertReview.idle();
      receiptKeys.stop();
      await idempotencyKeys.stop();
      await deciding.stop();
      await alerts.idle();
    },
  };
}

/** Whoever leaves the mock's page finds what was paid for: its webhooks are applied before the page answers. */
function settling(mock: MockStripe, inbox: Inbox, reportUsage: () => Promise<void>): MockStripe {
  const settled = settler(mock, inbox);
  return {
    ...mock,
    checkout: {
      ...mock.checkout,
      complete: async (sessionId, code) => settled(await mock.checkout.complete(sessionId, code)),
    },
    portal: {
      ...mock.portal,
      act: async (sessionId, action) => settled(await mock.portal.act(sessionId, action)),
    },
    async advanceClock(seconds) {
      // Where time goes by, hours do, and their usage is reported: it was used before the clock is moved.
      if (seconds > 0) await reportUsage();
      return settled(await mock.advanceClock(seconds));
    },
  };
}

const settlingTrigger = (trigger: MockTrigger, mock: MockStripe, inbox: Inbox): MockTrigger => {
  const settled = settler(mock, inbox);
  return async (event, tenantId) => settled(await trigger(event, tenantId));
};

const settler =
  (mock: MockStripe, inbox: Inbox) =>
  async <T>(result: T): Promise<T> => {
    await mock.delivered(SETTLE_MS).catch(() => undefined);
    await inbox.idle(SETTLE_MS);
    return result;
  };
