import type { Clock } from '../../common/clock.js';
import type { HourlyActivityDoc, TenantCountsDoc, TenantFigures } from '../../models/figures.js';
import type { Models } from '../../models/models.js';
import { listName, type TenantStandingDoc, TenantState } from '../../models/tenantStanding.js';
import { REJECTION_REASONS, type RejectionReason } from '../infrastructure/metrics.js';
import { dayOf, hourOf } from '../limits/ledger/windows.js';
import type { Tiers } from '../tiers/tiers.js';
import { totalsOf } from './activityTotals.js';
import { type DailyFigures, type DailyFlows } from './dailyFigures.js';
import { COUNTS_ID, centsIn, payingIn } from './tenantFigures.js';

export interface TierAmounts {
  tier: string;
  now: number;
  /** null: there is no figure of that day. */
  before: number | null;
}

export interface RevenueFigures {
  monthlyCents: number;
  monthlyCentsBefore: number | null;
  payingTenants: number;
  unpricedTenants: number;
  byTier: { tier: string; payingTenants: number; cents: number; centsBefore: number | null }[];
  /** The catalogue's currency first. */
  byCurrency: CurrencyRevenue[];
}

export interface CurrencyRevenue {
  currency: string;
  payingTenants: number;
  cents: number;
  /** null: there is no figure of that day. */
  centsBefore: number | null;
}

export interface TenantsInfo {
  total: number;
  byTier: TierAmounts[];
  states: Record<TenantState, number>;
  today: DailyFlows;
  lately: DailyFlows;
}

export interface CallFigures {
  today: number;
  yesterday: number;
  /** By UTC hour; today's are null from the next hour on. */
  byHour: { today: number | null; yesterday: number }[];
}

export interface RejectionFigures {
  today: number;
  yesterday: number;
  byReason: { reason: RejectionReason; today: number; yesterday: number }[];
}

/** Figures of one moment. What several of them follow from is read once. */
export interface OverviewReading {
  /** When all tenants were last counted; null: the first count is still running. */
  countedAt(): Promise<Date | null>;
  revenue(): Promise<RevenueFigures>;
  tenants(): Promise<TenantsInfo>;
  calls(): Promise<CallFigures>;
  rejections(): Promise<RejectionFigures>;
}

/** Figures of all tenants. Every read costs the same however many tenants there are. */
export interface Overview {
  now(): Date;
  /** Reads nothing until a figure is asked for. */
  read(): OverviewReading;
  /** The soonest end of the grace period first; those whose grace period has ended come last. */
  pastDue(count: number): Promise<TenantStandingDoc[]>;
  /** Those with the most calls of the month first. */
  inState(state: TenantState, count: number): Promise<string[]>;
  /** How many tenants have each version of each tier, newest version first. */
  versions(): Promise<HeldVersion[]>;
}

export interface HeldVersion {
  tier: string;
  version: number;
  isCurrent: boolean;
  monthlyPriceCents: number | null;
  tenants: number;
}

/** The activity of each instance, by UTC hour. */
type TwoDays = [today: HourlyActivityDoc[][], yesterday: HourlyActivityDoc[][]];

const DAY_MS = 86_400_000;
const COMPARED_DAYS = 30;
const HOURS = Array.from({ length: 24 }, (_, hour) => hour);

export function createOverview(deps: {
  models: Models;
  clock: Clock;
  tiers: Tiers;
  dailyFigures: DailyFigures;
}): Overview {
  const { models, clock, tiers, dailyFigures } = deps;
  const standings = models.connection.collection<TenantStandingDoc>(models.tenantStandings.collection.name);
  const tierNames = tiers.all().map(({ name }) => name);

  const readCounts = () => models.tenantCounts.findById(COUNTS_ID).lean<TenantCountsDoc>().exec();

  /** @returns the hours of today and of yesterday, by their number */
  async function hoursOfTwoDays(): Promise<TwoDays> {
    const [today, yesterday] = [dayOf(clock.now()), dayOf(clock.now() - DAY_MS)];
    const found = await models.hourlyActivity
      .find({ _id: { $gte: `${yesterday}T`, $lt: `${today}U` } })
      .lean<HourlyActivityDoc[]>();
    const ofDay = (day: string) =>
      HOURS.map((hour) => found.filter(({ _id }) => _id === `${day}T${String(hour).padStart(2, '0')}`));
    return [ofDay(today), ofDay(yesterday)];
  }

  function read(): OverviewReading {
    const counts = once(readCounts);
    const then = once(async () => (await dailyFigures.before(COMPARED_DAYS))?.figures ?? null);
    const hours = once(hoursOfTwoDays);
    return {
      countedAt: async () => (await counts())?.countedAt ?? null,
      revenue: async () => revenueOf((await counts())?.live ?? {}, await then()),
      async tenants() {
        const [counted, before, flows] = await Promise.all([
          counts(),
          then(),
          dailyFigures.flows(COMPARED_DAYS),
        ]);
        return { ...tenantsOf(counted?.live ?? {}, before), ...flows };
      },
      calls: async () => callsIn(await hours()),
      rejections: async () => rejectionsIn(await hours()),
    };
  }

  function revenueOf(now: TenantFigures, then: TenantFigures | null): RevenueFigures {
    const names = [...new Set([...tierNames, ...Object.keys(now.revenue ?? {})])];
    return {
      monthlyCents: centsIn(now),
      monthlyCentsBefore: then && centsIn(then),
      payingTenants: payingIn(now),
      unpricedTenants: now.unpriced ?? 0,
      byTier: names.map((tier) => ({
        tier,
        payingTenants: now.revenue?.[tier]?.tenants ?? 0,
        cents: now.revenue?.[tier]?.cents ?? 0,
        centsBefore: then && (then.revenue?.[tier]?.cents ?? 0),
      })),
      byCurrency: byCurrency(now, then),
    };
  }

  function byCurrency(now: TenantFigures, then: TenantFigures | null): CurrencyRevenue[] {
    const others = Object.entries(now.currencies ?? {}).filter(([, { tenants = 0 }]) => tenants > 0);
    const elsewhere = others.reduce((sum, [, { tenants = 0 }]) => sum + tenants, 0);
    const own = {
      currency: tiers.catalogue.currency,
      payingTenants: payingIn(now) - elsewhere - (now.unpriced ?? 0),
      cents: centsIn(now),
      centsBefore: then && centsIn(then),
    };
    const rest = others
      .map(([currency, { tenants = 0, cents = 0 }]) => ({
        currency,
        payingTenants: tenants,
        cents,
        centsBefore: then && (then.currencies?.[currency]?.cents ?? 0),
      }))
      .toSorted((a, b) => b.payingTenants - a.payingTenants || a.currency.localeCompare(b.currency));
    return [own, ...rest];
  }

  function tenantsOf(now: TenantFigures, then: TenantFigures | null): Omit<TenantsInfo, 'today' | 'lately'> {
    const stateCounts = Object.values(TenantState).map((state) => [state, now.states?.[state] ?? 0] as const);
    return {
      total: now.tenants ?? 0,
      byTier: tierNames.map((tier) => ({
        tier,
        now: now.tiers?.[tier] ?? 0,
        before: then && (then.tiers?.[tier] ?? 0),
      })),
      states: Object.fromEntries(stateCounts) as Record<TenantState, number>,
    };
  }

  function callsIn([today, yesterday]: TwoDays): CallFigures {
    const presentHour = hourOf(clock.now());
    const callsOf = (hours: readonly HourlyActivityDoc[] | undefined) => totalsOf(hours ?? []).calls;
    return {
      today: callsOf(today.flat()),
      yesterday: callsOf(yesterday.flat()),
      byHour: HOURS.map((hour) => ({
        today: hour > presentHour ? null : callsOf(today[hour]),
        yesterday: callsOf(yesterday[hour]),
      })),
    };
  }

  return {
    now: () => new Date(clock.now()),
    read,

    async pastDue(count) {
      const now = new Date(clock.now());
      const running = await standings
        .find({ graceEndsAt: { $gt: now, $type: 'date' } })
        .sort({ graceEndsAt: 1, _id: 1 })
        .limit(count)
        .toArray();
      const room = count - running.length;
      if (room === 0) return running;
      const ended = await standings
        .find({ graceEndsAt: { $lte: now, $type: 'date' } })
        .sort({ graceEndsAt: -1, _id: -1 })
        .limit(room)
        .toArray();
      return [...running, ...ended];
    },

    async inState(state, count) {
      const found = await standings
        .find({ lists: listName(null, state) }, { projection: { _id: 1 } })
        .sort({ usageKey: -1 })
        .hint({ lists: 1, usageKey: 1 })
        .limit(count)
        .toArray();
      return found.map(({ _id }) => _id);
    },

    async versions() {
      const versions = (await readCounts())?.live.versions;
      return tiers.all().flatMap(({ name: tier, version, monthlyPriceCents, former }) =>
        [{ version, monthlyPriceCents }, ...former.toSorted((a, b) => b.version - a.version)].map((one) => ({
          tier,
          version: one.version,
          isCurrent: one.version === version,
          monthlyPriceCents: one.monthlyPriceCents,
          tenants: versions?.[tier]?.[one.version] ?? 0,
        })),
      );
    },
  };
}

function rejectionsIn(days: TwoDays): RejectionFigures {
  const [today, yesterday] = days.map((hours) => totalsOf(hours.flat()));
  return {
    today: today?.rejections ?? 0,
    yesterday: yesterday?.rejections ?? 0,
    byReason: REJECTION_REASONS.map((reason) => ({
      reason,
      today: today?.byReason[reason] ?? 0,
      yesterday: yesterday?.byReason[reason] ?? 0,
    })),
  };
}

/** Loads when it is first called. Later calls get the same. */
function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | null = null;
  return () => {
    loading ??= load();
    return loading;
  };
}
