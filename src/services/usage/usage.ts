import { finiteLimit } from '../../catalogue/unlimited.js';
import type { Clock } from '../../common/clock.js';
import { badInput } from '../../common/errors.js';
import { groupBy } from '../../common/groups.js';
import type { LedgerDoc, WindowCount } from '../../models/ledger.js';
import type { Models } from '../../models/models.js';
import type { UsageDayDoc } from '../../models/usageDay.js';
import { createGate } from '../infrastructure/gate.js';
import type { ReadBudget } from '../infrastructure/responseBudget.js';
import { decodeEndpoint } from '../limits/ledger/endpointNames.js';
import type { UsageDays } from '../limits/ledger/usageDays.js';
import {
  dayOf,
  endOfDay,
  endOfMinute,
  endOfMonth,
  hourOf,
  minuteOf,
  partsOf,
  startOfDay,
  startOfMonth,
  usageDayId,
} from '../limits/ledger/windows.js';
import type { Entitlement } from '../tiers/entitlements.js';
import { costOfOverage } from '../tiers/overage.js';

export enum UsagePeriod {
  MINUTE = 'MINUTE',
  HOUR = 'HOUR',
  DAY = 'DAY',
  MONTH = 'MONTH',
}

/** The resolution of a history. */
export enum UsageGranularity {
  HOUR = 'HOUR',
  DAY = 'DAY',
  MONTH = 'MONTH',
}

/** What a tenant used in one window of time. */
export interface UsageReading {
  tenantId: string;
  period: UsagePeriod;
  from: Date;
  to: Date;
  apiCalls: number;
  /** null: this period has no limit. */
  limit: number | null;
  remaining: number | null;
  resetsAt: Date;
  byEndpoint: { endpoint: string; calls: number }[];
  federationShares: number;
  extractions: number;
  /** Calls past the daily quota, and their cost at the prices that applied when they were made. */
  overageCalls: number;
  overageCostCents: number;
}

/** The part of an entitlement that reading needs. */
export type UsageTerms = Pick<Entitlement, 'limits' | 'overage'>;

export interface UsageQuery {
  tenantId: string;
  period: UsagePeriod;
  terms: UsageTerms;
}

/** Reads usage from the documents that enforce it. */
export interface Usage {
  /** One database read for any number of queries. */
  current(queries: readonly UsageQuery[]): Promise<UsageReading[]>;
  /**
   * The same as stored: without calls that were decided in the last second and are not in the documents yet.
   * @param endpoints whether usage by endpoint is wanted, which is nearly all of a document
   */
  stored(queries: readonly UsageQuery[], endpoints: boolean): Promise<UsageReading[]>;
  /**
   * Oldest first. Hours and days without a call are included; the future is not. Hours and days are whole even where
   * the range cuts them; a month has those of its days that the range touches, so that months and days add up alike.
   * @returns functions, since there may be thousands of readings: each is computed when it is called
   * @throws BAD_USER_INPUT for an empty range or more than 400 days; RESPONSE_TOO_LARGE
   */
  history(tenantId: string, query: HistoryQuery, reading: HistoryReading): Promise<(() => UsageReading)[]>;
}

/** Which parts of a history are selected, and the budget for reading them. */
export interface HistoryReading {
  /** Whether usage by endpoint is selected, which is nearly all of a day's document. */
  endpoints: boolean;
  budget: ReadBudget;
}

export interface HistoryQuery {
  from: Date;
  /** Exclusive. */
  to: Date;
  granularity: UsageGranularity;
  terms: UsageTerms;
}

/** What is stored of one tenant at present. */
interface TenantReading {
  minute: WindowCount | undefined;
  days: readonly UsageDayDoc[];
}

interface HistoryDay {
  day: Date;
  /** undefined: nothing was used. */
  doc: UsageDayDoc | undefined;
}

const DAY_FIELDS = ['calls', 'federationShares', 'extractions', 'overage'] as const;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const MAX_HISTORY_DAYS = 400;
/** Bytes of a day with the maximum number of endpoint names. */
const DAY_BYTES = 32_768;
const ENDPOINT_BYTES = 60;
/** Bytes of days with endpoints that all operations of this process may be reading. */
const READING_BYTES = 16_777_216;
/** Days with endpoints that the driver decodes in one go. */
const DAYS_AT_ONCE = 25;

export function createUsage(deps: { models: Models; clock: Clock; usageDays: UsageDays }): Usage {
  const { models, clock, usageDays } = deps;
  const gate = createGate({ maxUnits: READING_BYTES });

  function readDay(doc: UsageDayDoc | undefined, from: Date, terms: UsageTerms): Reading {
    const docs = doc ? [doc] : [];
    const apiCallsPerDay = finiteLimit('apiCallsPerDay', terms.limits.apiCallsPerDay);
    return reading(UsagePeriod.DAY, from, endOfDay(from.getTime()), docs, terms, apiCallsPerDay);
  }

  function readMinute(minute: WindowCount | undefined, nowMs: number, terms: UsageTerms): Reading {
    const to = endOfMinute(nowMs);
    const from = new Date(to.getTime() - 60_000);
    const calls = minute?.at === minuteOf(nowMs) ? minute.used : 0;
    const limit = finiteLimit('apiCallsPerMinute', terms.limits.apiCallsPerMinute);
    return {
      ...reading(UsagePeriod.MINUTE, from, to, [], terms, limit),
      apiCalls: calls,
      remaining: limit === null ? null : Math.max(0, limit - calls),
    };
  }

  /** Hours have calls only. */
  function readHour(doc: UsageDayDoc | undefined, fromMs: number, terms: UsageTerms): Reading {
    const to = new Date(fromMs + HOUR_MS);
    return {
      ...reading(UsagePeriod.HOUR, new Date(fromMs), to, [], terms, null),
      apiCalls: doc?.hours?.[hourOf(fromMs)] ?? 0,
    };
  }

  function readPeriod(
    { period, terms }: UsageQuery,
    { minute, days }: TenantReading,
    nowMs: number,
  ): Reading {
    const today = days.find(({ _id }) => partsOf(_id).day === dayOf(nowMs));
    switch (period) {
      case UsagePeriod.MINUTE:
        return readMinute(minute, nowMs, terms);
      case UsagePeriod.HOUR:
        return readHour(today, startOfHour(nowMs), terms);
      case UsagePeriod.DAY:
        return readDay(today, startOfDay(nowMs), terms);
      case UsagePeriod.MONTH:
        return reading(UsagePeriod.MONTH, startOfMonth(nowMs), endOfMonth(nowMs), days, terms, null);
    }
  }

  function reading(
    period: UsagePeriod,
    from: Date,
    to: Date,
    docs: readonly UsageDayDoc[],
    { overage }: UsageTerms,
    limit: number | null,
  ): Reading {
    const sum = { apiCalls: 0, federationShares: 0, extractions: 0, overageCalls: 0 };
    for (const doc of docs) {
      sum.apiCalls += doc.calls ?? 0;
      sum.federationShares += doc.federationShares ?? 0;
      sum.extractions += doc.extractions ?? 0;
      sum.overageCalls += doc.overage?.used ?? 0;
    }
    const remaining = limit === null ? null : Math.max(0, limit - sum.apiCalls);
    const overageCostCents = costOfOverage(
      docs.flatMap((doc) => doc.overage ?? []),
      overage.price,
    );
    let byEndpoint: UsageReading['byEndpoint'] | undefined;
    return {
      period,
      from,
      to,
      ...sum,
      overageCostCents,
      limit,
      remaining,
      resetsAt: to,
      // Up to 500 names a day, which most queries do not select.
      get byEndpoint() {
        byEndpoint ??= endpointsOf(docs);
        return byEndpoint;
      },
    };
  }

  async function readCurrent(
    queries: readonly UsageQuery[],
    nowMs: number,
    endpoints: boolean,
  ): Promise<UsageReading[]> {
    const today = dayOf(nowMs);
    const firstOfMonth = dayOf(startOfMonth(nowMs).getTime());
    const ranges = queries
      .filter(({ period }) => period !== UsagePeriod.MINUTE)
      .map(({ tenantId, period }) => ({
        tenantId,
        from: period === UsagePeriod.MONTH ? firstOfMonth : today,
        to: today,
      }));
    const ofMinutes = queries.filter(({ period }) => period === UsagePeriod.MINUTE);
    const [days, minutes] = await Promise.all([
      usageDays.read(ranges, [...DAY_FIELDS, 'hours', ...(endpoints ? (['endpoints'] as const) : [])]),
      readMinutes(ofMinutes.map(({ tenantId }) => tenantId)),
    ]);
    const byTenant = groupBy(days, ({ _id }) => partsOf(_id).tenantId);
    return queries.map((query) => {
      const { tenantId } = query;
      const known = { minute: minutes.get(tenantId), days: byTenant.get(tenantId) ?? [] };
      return named(tenantId, readPeriod(query, known, nowMs));
    });
  }

  async function readMinutes(tenantIds: readonly string[]): Promise<Map<string, WindowCount | undefined>> {
    if (tenantIds.length === 0) return new Map();
    const found = await models.ledgers
      .find({ _id: { $in: tenantIds } }, { 'windows.minute': 1 })
      .lean<LedgerDoc[]>();
    return new Map(found.map(({ _id, windows }) => [_id, windows?.minute]));
  }

  /** The days that the range touches, up to now, in one read. */
  async function readDays(
    tenantId: string,
    { from, to, granularity }: HistoryQuery,
    { endpoints, budget }: HistoryReading,
  ): Promise<HistoryDay[]> {
    if (from.getTime() >= to.getTime()) throw badInput('to', 'must be after from');
    const firstMs = startOfDay(from.getTime()).getTime();
    if ((to.getTime() - firstMs) / DAY_MS > MAX_HISTORY_DAYS) {
      throw badInput('from', `the range may have at most ${MAX_HISTORY_DAYS} days`);
    }
    const lastMs = startOfDay(Math.min(to.getTime() - 1, clock.now())).getTime();
    const count = (lastMs - firstMs) / DAY_MS + 1;
    if (count < 1) return [];
    const isHourly = granularity === UsageGranularity.HOUR;
    const needsEndpoints = endpoints && !isHourly;
    const docs = await gate.run(tenantId, needsEndpoints ? count * DAY_BYTES : 0, async () => {
      budget.read(0);
      const found = await usageDays.read(
        [{ tenantId, from: dayOf(firstMs), to: dayOf(lastMs) }],
        isHourly ? ['hours'] : needsEndpoints ? [...DAY_FIELDS, 'endpoints'] : DAY_FIELDS,
        needsEndpoints ? DAYS_AT_ONCE : count + 1,
      );
      for (const doc of found) budget.read(Object.keys(doc.endpoints ?? {}).length * ENDPOINT_BYTES);
      return found;
    });
    const byId = new Map(docs.map((doc) => [doc._id, doc]));
    return Array.from({ length: count }, (_, i) => {
      const day = new Date(firstMs + i * DAY_MS);
      return { day, doc: byId.get(usageDayId(tenantId, dayOf(day.getTime()))) };
    });
  }

  /** @param days of one month, at least one */
  function readMonth(days: readonly HistoryDay[], terms: UsageTerms): Reading {
    const [first, last] = [days[0], days.at(-1)] as [HistoryDay, HistoryDay];
    const docs = days.flatMap(({ doc }) => doc ?? []);
    return reading(UsagePeriod.MONTH, first.day, endOfDay(last.day.getTime()), docs, terms, null);
  }

  return {
    async current(queries) {
      return readCurrent(queries, clock.now(), true);
    },

    stored: (queries, endpoints) => readCurrent(queries, clock.now(), endpoints),

    async history(tenantId, query, wanted) {
      const { from, to, granularity, terms } = query;
      const days = await readDays(tenantId, query, wanted);
      switch (granularity) {
        case UsageGranularity.HOUR: {
          const untilMs = Math.min(to.getTime(), clock.now() + 1);
          return days
            .flatMap(({ day, doc }) => hoursOfDay(day).map((fromMs) => ({ fromMs, doc })))
            .filter(({ fromMs }) => fromMs + HOUR_MS > from.getTime() && fromMs < untilMs)
            .map(
              ({ fromMs, doc }) =>
                () =>
                  named(tenantId, readHour(doc, fromMs, terms)),
            );
        }
        case UsageGranularity.DAY:
          return days.map(
            ({ day, doc }) =>
              () =>
                named(tenantId, readDay(doc, day, terms)),
          );
        case UsageGranularity.MONTH:
          return [...groupBy(days, ({ day }) => startOfMonth(day.getTime()).getTime()).values()].map(
            (month) => () => named(tenantId, readMonth(month, terms)),
          );
      }
    },
  };
}

type Reading = Omit<UsageReading, 'tenantId'>;

/** Keeps the object, whose `byEndpoint` is computed when it is read. */
const named = (tenantId: string, reading: Reading): UsageReading => Object.assign(reading, { tenantId });

/** Most calls first. */
function endpointsOf(docs: readonly UsageDayDoc[]): UsageReading['byEndpoint'] {
  const endpoints = new Map<string, number>();
  for (const doc of docs) {
    for (const [name, calls] of Object.entries(doc.endpoints ?? {})) {
      endpoints.set(name, (endpoints.get(name) ?? 0) + calls);
    }
  }
  return [...endpoints]
    .filter(([, calls]) => calls > 0)
    .map(([name, calls]) => ({ endpoint: decodeEndpoint(name), calls }))
    .sort((a, b) => b.calls - a.calls || (a.endpoint < b.endpoint ? -1 : 1));
}

/**
 * How many days a history reads, at most as many as are accepted.
 * @param args the arguments of `usageHistory`
 */
export function historyDays({ from, to }: Record<string, unknown>): number {
  const days = ((to as Date).getTime() - (from as Date).getTime()) / DAY_MS;
  return Math.min(Math.max(days, 0), MAX_HISTORY_DAYS) + 1;
}

/** Hours have calls only. */
export function sizeOfHours({ granularity }: Record<string, unknown>) {
  return granularity === UsageGranularity.HOUR ? { fields: ['byEndpoint'], items: 0 } : null;
}

/** How many readings it returns. */
export function historyItems(args: Record<string, unknown>): number {
  const { granularity } = args;
  if (granularity === UsageGranularity.HOUR) return historyDays(args) * 24;
  return granularity === UsageGranularity.MONTH ? historyDays(args) / 28 + 1 : historyDays(args);
}

const startOfHour = (ms: number): number => Math.floor(ms / HOUR_MS) * HOUR_MS;

const hoursOfDay = (day: Date): number[] =>
  Array.from({ length: 24 }, (_, hour) => day.getTime() + hour * HOUR_MS);
