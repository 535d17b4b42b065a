import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';
import { AlertKind, type UsageAlertDoc } from '../../../models/usageAlert.js';
import type { RunningAdmission } from '../../limits/ledger/createAdmission.js';
import { dayOf } from '../../limits/ledger/windows.js';

export { AlertKind, type UsageAlertDoc };

/** A tenant's use of one limit. */
export interface Measure {
  kind: AlertKind;
  used: number;
  /** 0: nothing to warn about. */
  limit: number;
}

/** Raises an alert when a limit is nearly or fully used, once for each window and level. */
export interface Alerts {
  /** Costs one comparison, unless a level is reached that this instance has not seen: that alert is stored in the background. */
  see(tenantId: string, measure: Measure): void;
  /** The same for several measures; resolves when new alerts are stored. */
  record(tenantId: string, measures: readonly Measure[]): Promise<void>;
  /** Newest window first. @param after the key of the last alert seen */
  page(tenantId: string, query: { first: number; after?: string | null | undefined }): Promise<AlertPage>;
  /**
   * The tenants with an alert of a level in a current window, by id.
   * @param after the last tenant seen
   */
  tenantsAt(
    level: number,
    after: string | null,
    count: number,
  ): Promise<{ tenantIds: string[]; isLast: boolean }>;
  /** The highest level that tenants have reached in a current window: the lowest, or 100; absent below. */
  levelsOf(tenantIds: readonly string[]): Promise<Map<string, number>>;
  /** Resolves when everything raised so far is stored. */
  idle(): Promise<void>;
}

export interface AlertPage {
  alerts: UsageAlertDoc[];
  hasNextPage: boolean;
}

const ALERT_LEVELS = [80, 90, 100] as const;
const [LOWEST, , HIGHEST] = ALERT_LEVELS;
const KEEP_MS = 400 * 86_400_000;
const MAX_REMEMBERED = 100_000;
const SAMPLE_KINDS: readonly AlertKind[] = [AlertKind.MEMORIES, AlertKind.EMBEDDINGS];

/** The part of an alert's id after the tenant's. */
export const alertKeyOf = ({
  window,
  kind,
  level,
}: Pick<UsageAlertDoc, 'window' | 'kind' | 'level'>): string =>
  `${window}:${kind}:${String(level).padStart(3, '0')}`;

/** @param sampleDomain false: alerts about memories, raised while the server had them, are not shown */
export function createAlerts(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  sampleDomain?: boolean;
}): Alerts {
  const { models, clock, log, sampleDomain = true } = deps;
  const kinds = Object.values(AlertKind).filter((kind) => sampleDomain || !SAMPLE_KINDS.includes(kind));
  /** The highest stored level by tenant, window and kind. */
  const stored = new LRUCache<string, number>({ max: MAX_REMEMBERED });
  const storing = new Set<Promise<void>>();

  /** @returns the alerts that this instance has not stored yet */
  function fresh(tenantId: string, { kind, used, limit }: Measure, nowMs: number): UsageAlertDoc[] {
    if (limit === 0 || used * 100 < limit * LOWEST) return [];
    const window = windowOf(kind, nowMs);
    const known = stored.get(`${tenantId}:${window}:${kind}`) ?? 0;
    return ALERT_LEVELS.filter((level) => level > known && used * 100 >= limit * level).map((level) => ({
      _id: `${tenantId}:${alertKeyOf({ window, kind, level })}`,
      kind,
      level,
      window,
      used,
      limit,
      at: new Date(nowMs),
      expiresAt: new Date(nowMs + KEEP_MS),
      unannounced: true,
    }));
  }

  async function store(tenantId: string, alerts: readonly UsageAlertDoc[]): Promise<void> {
    if (alerts.length === 0) return;
    await models.usageAlerts.collection.bulkWrite(
      alerts.map(({ _id, ...alert }) => ({
        updateOne: { filter: { _id: _id as never }, update: { $setOnInsert: alert }, upsert: true },
      })),
      { ordered: false },
    );
    for (const { window, kind, level } of alerts) {
      const key = `${tenantId}:${window}:${kind}`;
      stored.set(key, Math.max(level, stored.get(key) ?? 0));
    }
  }

  return {
    see(tenantId, measure) {
      const alerts = fresh(tenantId, measure, clock.now());
      if (alerts.length === 0) return;
      // Remembered at once, so that a busy tenant's calls do not all store it. If storing fails, the next call retries.
      const key = `${tenantId}:${alerts[0]?.window}:${measure.kind}`;
      const before = stored.get(key) ?? 0;
      stored.set(key, alerts.at(-1)?.level ?? 0);
      const one = store(tenantId, alerts)
        .catch((error: unknown) => {
          stored.set(key, before);
          log.warn({ err: error, tenantId }, 'usage_alert.store_failed');
        })
        .finally(() => storing.delete(one));
      storing.add(one);
    },

    async record(tenantId, measures) {
      const nowMs = clock.now();
      await store(
        tenantId,
        measures.flatMap((measure) => fresh(tenantId, measure, nowMs)),
      );
    },

    async page(tenantId, { first, after }) {
      const found = await models.usageAlerts
        .find({
          _id: { $gt: `${tenantId}:`, $lt: after ? `${tenantId}:${after}` : `${tenantId};` },
          ...(!sampleDomain && { kind: { $nin: SAMPLE_KINDS } }),
        })
        .sort({ _id: -1 })
        .limit(first + 1)
        .lean<UsageAlertDoc[]>();
      return { alerts: found.slice(0, first), hasNextPage: found.length > first };
    },

    async tenantsAt(level, after, count) {
      const windows = [...new Set(Object.values(AlertKind).map((kind) => windowOf(kind, clock.now())))];
      const found = await models.usageAlerts
        .find(
          { level, window: { $in: windows }, ...(after !== null && { _id: { $gt: `${after};` } }) },
          { _id: 1 },
        )
        .sort({ _id: 1 })
        .limit(count)
        .lean<Pick<UsageAlertDoc, '_id'>[]>();
      const tenantIds = [...new Set(found.map(({ _id }) => tenantOf(_id)))];
      return { tenantIds, isLast: found.length < count };
    },

    async levelsOf(tenantIds) {
      const keys = kinds.flatMap((kind) =>
        [LOWEST, HIGHEST].map((level) => alertKeyOf({ window: windowOf(kind, clock.now()), kind, level })),
      );
      const ids = tenantIds.flatMap((tenantId) => keys.map((key) => `${tenantId}:${key}`));
      const found = await models.usageAlerts
        .find({ _id: { $in: ids } }, { level: 1 })
        .lean<Pick<UsageAlertDoc, '_id' | 'level'>[]>();
      const levels = new Map<string, number>();
      for (const { _id, level } of found)
        levels.set(tenantOf(_id), Math.max(level, levels.get(tenantOf(_id)) ?? 0));
      return levels;
    },

    async idle() {
      await Promise.all(storing);
    },
  };
}

const tenantOf = (alertId: string): string => alertId.slice(0, alertId.indexOf(':'));

/** Storage has no window: a tenant that stays at a level gets the alert again next month. */
function windowOf(kind: AlertKind, nowMs: number): string {
  const day = dayOf(nowMs);
  return kind === AlertKind.API_CALLS_PER_DAY ? day : day.slice(0, -'-DD'.length);
}

/** Admission whose every decision may raise alerts. */
export function watchAdmission(admission: RunningAdmission, alerts: Alerts): RunningAdmission {
  return {
    ...admission,
    async admit(tenantId, limits, taken) {
      const decision = await admission.admit(tenantId, limits, taken);
      const { day, overageOfMonth } = decision.used;
      const { apiCallsPerDay, overageCallsPerMonth } = limits.calls;
      alerts.see(tenantId, { kind: AlertKind.API_CALLS_PER_DAY, used: day, limit: apiCallsPerDay });
      alerts.see(tenantId, {
        kind: AlertKind.OVERAGE_PER_MONTH,
        used: overageOfMonth,
        limit: overageCallsPerMonth,
      });
      return decision;
    },
  };
}
