import type { StorageAmounts } from '@continuum-billing/limits/core';
import type { Logger } from 'pino';
import type { TierLimits } from '../../../catalogue/catalogue.js';
import type { Storage } from '../../limits/storage/storage.js';
import type { Entitlements } from '../../tiers/entitlements.js';
import { type Usage, UsagePeriod } from '../usage.js';
import { AlertKind, type Alerts, type Measure } from './alerts.js';

/**
 * Compares a tenant's usage with its present limits. It finds what no decision reveals: usage recorded by another
 * service, limits that were lowered, and alerts lost in a crash.
 */
export interface AlertReview {
  /** Resolves when all due alerts are stored. */
  review(tenantId: string): Promise<void>;
  /** The same in the background; requests made while it runs share it. */
  reviewSoon(tenantId: string): void;
  /** Checks storage alerts against totals that the caller knows already. */
  seeStored(tenantId: string, amounts: StorageAmounts): Promise<void>;
  idle(): Promise<void>;
}

const MAX_RUNNING = 100;

export function createAlertReview(deps: {
  alerts: Alerts;
  entitlements: Entitlements;
  usage: Usage;
  storage: Pick<Storage, 'stored'>;
  log: Logger;
  /** Whether memories and embeddings are reviewed. */
  sampleDomain: boolean;
}): AlertReview {
  const { alerts, entitlements, usage, storage, log, sampleDomain } = deps;
  const running = new Map<string, Promise<void>>();

  const measuresOf = (stored: StorageAmounts, limits: TierLimits): Measure[] => [
    ...(sampleDomain ? sampleMeasures(stored, limits) : []),
    ...storageMeasures(stored, limits),
  ];

  async function review(tenantId: string): Promise<void> {
    const terms = await entitlements.get(tenantId);
    const [readings, amounts] = await Promise.all([
      usage.current([
        { tenantId, period: UsagePeriod.DAY, terms },
        { tenantId, period: UsagePeriod.MONTH, terms },
      ]),
      storage.stored([tenantId]),
    ]);
    const [day, month] = readings;
    await alerts.record(tenantId, [
      { kind: AlertKind.API_CALLS_PER_DAY, used: day?.apiCalls ?? 0, limit: terms.limits.apiCallsPerDay },
      {
        kind: AlertKind.OVERAGE_PER_MONTH,
        used: month?.overageCalls ?? 0,
        limit: terms.callLimits.overageCallsPerMonth,
      },
      ...amounts.flatMap((stored) => measuresOf(stored, terms.limits)),
    ]);
  }

  return {
    review,
    async seeStored(tenantId, amounts) {
      const { limits } = await entitlements.get(tenantId);
      for (const measure of measuresOf(amounts, limits)) alerts.see(tenantId, measure);
    },
    reviewSoon(tenantId) {
      // Past the bound, a later review finds it.
      if (running.has(tenantId) || running.size === MAX_RUNNING) return;
      const one = review(tenantId)
        .catch((error: unknown) => log.warn({ err: error, tenantId }, 'usage_alert.review_failed'))
        .finally(() => running.delete(tenantId));
      running.set(tenantId, one);
    },
    async idle() {
      await Promise.all(running.values());
    },
  };
}

const storageMeasures = (stored: StorageAmounts, limits: TierLimits): Measure[] => [
  { kind: AlertKind.STORAGE_BYTES, used: stored.bytes ?? 0, limit: limits.maxStorageBytes },
];

const sampleMeasures = (stored: StorageAmounts, limits: TierLimits): Measure[] => [
  { kind: AlertKind.MEMORIES, used: stored.memories ?? 0, limit: limits.maxMemories },
  { kind: AlertKind.EMBEDDINGS, used: stored.embeddings ?? 0, limit: limits.maxEmbeddings },
];
