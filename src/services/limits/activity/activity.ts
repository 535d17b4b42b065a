import { createHash } from 'node:crypto';
import { type Charge, sumOf } from '@continuum-billing/limits/core';
import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import type { BillingError } from '../../../common/errors.js';
import type { InstanceActivity } from '../../../models/figures.js';
import type { Models } from '../../../models/models.js';
import type { RejectionReason } from '../../infrastructure/metrics.js';
import type { RunningAdmission } from '../ledger/createAdmission.js';
import type { UsageRanks } from './usageRanks.js';

/** What the limits rejected. */
export interface RejectedDecision {
  reason: RejectionReason;
  /** The error code that the client gets. */
  code: string;
  /** The field, feature or resource that the limit is about. */
  subject: string | null;
  /** null: it was not known yet. */
  tier: string | null;
}

/**
 * Counts what this instance decided, in memory, and writes it every few seconds: calls and rejections of all tenants by
 * hour, and each tenant's rejections by minute. After `kill -9` at most the last seconds are missing; nothing is counted
 * twice, because an instance writes its own totals.
 */
export interface Activity {
  /** Calls were charged or, if negative, returned. @param atMs their time; hours that are over for long are left out */
  calls(tenantId: string, calls: number, atMs: number): void;
  rejected(tenantId: string, decision: RejectedDecision): void;
  /** Writes what is not written yet. */
  flush(): Promise<void>;
  start(): void;
  stop(): Promise<void>;
}

interface Hour extends InstanceActivity {
  isWritten: boolean;
}

interface Entry extends RejectedDecision {
  tenantId: string;
  minute: number;
  count: number;
  firstAtMs: number;
  lastAtMs: number;
  isWritten: boolean;
}

const FLUSH_MS = 5_000;
const RANKS_MS = 30_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Returned calls may belong to an earlier hour. */
const HOURS_KEPT = 3;
const KEEP_HOURS_MS = 7 * 86_400_000;
const KEEP_REJECTIONS_MS = 30 * 86_400_000;
/** Past these, rejections count by hour alone. */
const MAX_ENTRIES = 10_000;
const MAX_ENTRIES_PER_TENANT = 20;
const MAX_ACTIVE_TENANTS = 50_000;
const RANKS_AT_ONCE = 2_000;
const MAX_SUBJECT_LENGTH = 200;
const QUICK = { ordered: false, writeConcern: { w: 1 } } as const;

/** Hours and minutes since the Unix epoch, because a text for every call would cost more than the rest. */
const hourOf = (ms: number): number => Math.floor(ms / HOUR_MS);
const minuteOf = (ms: number): number => Math.floor(ms / MINUTE_MS);
const hourIdOf = (hour: number): string =>
  new Date(hour * HOUR_MS).toISOString().slice(0, 'YYYY-MM-DDTHH'.length);
const minuteIdOf = (minute: number): string =>
  new Date(minute * MINUTE_MS).toISOString().slice(0, 'YYYY-MM-DDTHH:MM'.length);

export function createActivity(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  instance: string;
  usageRanks: UsageRanks;
}): Activity {
  const { models, clock, log, instance, usageRanks } = deps;
  const hours = new Map<number, Hour>();
  const entries = new Map<string, Entry>();
  const entriesOf = new Map<string, number>();
  const activeTenants = new Set<string>();
  let timers: NodeJS.Timeout[] = [];
  let flushing: Promise<void> = Promise.resolve();
  let ranking: Promise<void> | null = null;
  let overflowed = false;

  /** @returns null for an hour whose total this instance no longer knows */
  function hourAt(atMs: number): Hour | null {
    const id = hourOf(atMs);
    const known = hours.get(id);
    if (known) return known;
    if (id <= hourOf(clock.now()) - HOURS_KEPT) return null;
    const hour: Hour = { calls: 0, rejected: {}, isWritten: true };
    hours.set(id, hour);
    return hour;
  }

  function entryFor(tenantId: string, decision: RejectedDecision, nowMs: number): Entry | null {
    const minute = minuteOf(nowMs);
    const { reason, code, subject, tier } = decision;
    const key = JSON.stringify([tenantId, minute, reason, code, subject, tier]);
    const known = entries.get(key);
    if (known) return known;
    const ofTenant = entriesOf.get(tenantId) ?? 0;
    if (entries.size >= MAX_ENTRIES || ofTenant >= MAX_ENTRIES_PER_TENANT) return null;
    const entry: Entry = {
      ...decision,
      tenantId,
      minute,
      count: 0,
      firstAtMs: nowMs,
      lastAtMs: nowMs,
      isWritten: false,
    };
    entries.set(key, entry);
    entriesOf.set(tenantId, ofTenant + 1);
    return entry;
  }

  async function writeHours(): Promise<void> {
    const changed = [...hours].filter(([, hour]) => !hour.isWritten);
    if (changed.length === 0) return;
    for (const [, hour] of changed) hour.isWritten = true;
    try {
      await models.hourlyActivity.collection.bulkWrite(
        changed.map(([id, { calls, rejected }]) => ({
          updateOne: {
            filter: { _id: hourIdOf(id) as never },
            update: {
              $set: { [`by.${instance}`]: { calls, rejected: { ...rejected } } },
              $setOnInsert: { expiresAt: new Date(id * HOUR_MS + KEEP_HOURS_MS) },
            },
            upsert: true,
          },
        })),
        QUICK,
      );
    } catch (error) {
      for (const [, hour] of changed) hour.isWritten = false;
      throw error;
    }
    const oldest = hourOf(clock.now()) - HOURS_KEPT;
    for (const [id, { isWritten }] of hours) if (isWritten && id < oldest) hours.delete(id);
  }

  async function writeRejections(): Promise<void> {
    const changed = [...entries.values()].filter(({ isWritten }) => !isWritten);
    if (changed.length > 0) {
      for (const entry of changed) entry.isWritten = true;
      try {
        await models.rejections.collection.bulkWrite(changed.map(statementFor) as never, QUICK);
      } catch (error) {
        for (const entry of changed) entry.isWritten = false;
        throw error;
      }
    }
    const minute = minuteOf(clock.now());
    for (const [key, entry] of entries) {
      if (!entry.isWritten || entry.minute >= minute) continue;
      entries.delete(key);
      const left = (entriesOf.get(entry.tenantId) ?? 1) - 1;
      if (left > 0) entriesOf.set(entry.tenantId, left);
      else entriesOf.delete(entry.tenantId);
    }
    overflowed = false;
  }

  function statementFor(entry: Entry): object {
    const { tenantId, minute, reason, code, subject, tier, count, firstAtMs, lastAtMs } = entry;
    const what = createHash('sha256')
      .update(JSON.stringify([reason, code, subject, tier]))
      .digest('hex');
    return {
      updateOne: {
        filter: { _id: `${tenantId}:${minuteIdOf(minute)}:${what.slice(0, 12)}` },
        update: {
          $set: { [`by.${instance}`]: count },
          $min: { firstAt: new Date(firstAtMs) },
          $max: { lastAt: new Date(lastAtMs) },
          $setOnInsert: {
            reason,
            code,
            subject,
            tier,
            expiresAt: new Date(firstAtMs + KEEP_REJECTIONS_MS),
          },
        },
        upsert: true,
      },
    };
  }

  async function writeAll(): Promise<void> {
    await writeHours();
    await writeRejections();
  }

  function flush(): Promise<void> {
    const next = flushing.then(writeAll);
    flushing = next.catch(() => undefined);
    return next;
  }

  /** Those beyond the bound stay for the next time. */
  async function rank(): Promise<void> {
    const ids = [...activeTenants].slice(0, RANKS_AT_ONCE);
    for (const id of ids) activeTenants.delete(id);
    try {
      await usageRanks.refresh(ids);
    } catch (error) {
      for (const id of ids) markActive(id);
      throw error;
    }
  }

  /** A tenant past the bound is found by the daily count. */
  function markActive(tenantId: string): void {
    if (activeTenants.size < MAX_ACTIVE_TENANTS) activeTenants.add(tenantId);
  }

  return {
    calls(tenantId, calls, atMs) {
      markActive(tenantId);
      const hour = hourAt(atMs);
      if (!hour) return;
      hour.calls += calls;
      hour.isWritten = false;
    },

    rejected(tenantId, decision) {
      const nowMs = clock.now();
      const { reason } = decision;
      const hour = hourAt(nowMs);
      if (hour) {
        hour.rejected[reason] = (hour.rejected[reason] ?? 0) + 1;
        hour.isWritten = false;
      }
      const subject = decision.subject?.slice(0, MAX_SUBJECT_LENGTH) ?? null;
      const entry = entryFor(tenantId, { ...decision, subject }, nowMs);
      if (!entry) {
        if (!overflowed && entries.size >= MAX_ENTRIES) log.warn('rejections.not_listed');
        overflowed = true;
        return;
      }
      entry.count++;
      entry.lastAtMs = nowMs;
      entry.isWritten = false;
    },

    flush,

    start() {
      timers = [
        setInterval(() => {
          flush().catch((error: unknown) => log.warn({ err: error }, 'activity.not_written'));
        }, FLUSH_MS).unref(),
        setInterval(() => {
          ranking ??= rank()
            .catch((error: unknown) => log.warn({ err: error }, 'usage_order.not_written'))
            .finally(() => {
              ranking = null;
            });
        }, RANKS_MS).unref(),
      ];
    },

    async stop() {
      for (const timer of timers) clearInterval(timer);
      await ranking;
      await flush().catch((error: unknown) => log.warn({ err: error }, 'activity.not_written'));
    },
  };
}

/** Admission whose decisions are counted. */
export function countActivity(
  admission: RunningAdmission,
  activity: Pick<Activity, 'calls'>,
): RunningAdmission {
  return {
    ...admission,
    async admit(tenantId, limits, taken) {
      const decision = await admission.admit(tenantId, limits, taken);
      const calls = sumOf(taken.charges);
      if (decision.admitted && calls > 0) activity.calls(tenantId, calls, decision.used.atMs);
      return decision;
    },
    async returnCalls(tenantId: string, charges: readonly Charge[], charged) {
      await admission.returnCalls(tenantId, charges, charged);
      activity.calls(tenantId, -sumOf(charges), charged.atMs);
    },
  };
}

/** @returns what the error says of the limit */
export const rejectedBy = (
  { code, details }: Pick<BillingError, 'code' | 'details'>,
  reason: RejectionReason,
  tier: string | null,
): RejectedDecision => ({ reason, code, subject: subjectOf(details), tier });

function subjectOf({ field, feature, resource }: Record<string, unknown>): string | null {
  const subject = field ?? feature ?? resource;
  return typeof subject === 'string' ? subject : null;
}
