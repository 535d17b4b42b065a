import catalogue from '../../catalogue.json' with { type: 'json' };
import { parseCatalogue } from '../../src/catalogue/catalogue.js';
import type { Models } from '../../src/models/models.js';
import { listName, TenantState } from '../../src/models/tenantStanding.js';
import { countingRules } from '../../src/services/insights/insightServices.js';
import { revenueKeyOf } from '../../src/services/insights/standing.js';
import { usageKeyOf } from '../../src/services/limits/activity/usageRanks.js';
import { dayOf } from '../../src/services/limits/ledger/windows.js';
import type { Progress } from '../progress.js';
import { tenantId } from './tenants.js';

/** Of a server that is started without settings of its own. */
const RULES = countingRules(parseCatalogue(catalogue), 14);
const CHUNK = 5_000;
const TOLD_EVERY = 20 * CHUNK;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const INSTANCES = 3;
const PRO_CENTS = 2_900;

/** One of so many tenants has each tier and state. */
const PRO_EVERY = 10;
const PAST_DUE_EVERY = 1_000;
const NEAR_EVERY = 400;
const SUSPENDED_EVERY = 2_000;

/** Stores the standings of so many tenants, their sums, and figures of so many days, as the server would have them. */
export async function storeStandings(
  models: Models,
  { count, days }: { count: number; days: number },
  progress: Progress,
): Promise<void> {
  const nowMs = Date.now();
  const month = dayOf(nowMs).slice(0, -'-DD'.length);
  const { collection } = models.tenantStandings;
  for (let n = 0; n < count; n += CHUNK) {
    if (n % TOLD_EVERY === 0) progress(`${n} of ${count} standings`);
    const docs = Array.from({ length: Math.min(CHUNK, count - n) }, (_, i) => standing(n + i, nowMs, month));
    await collection.insertMany(docs as never[], { ordered: false, writeConcern: { w: 1, j: false } });
  }
  await storeSums(models, count, nowMs);
  await storeDays(models, days, nowMs);
}

function standing(n: number, nowMs: number, month: string) {
  const _id = tenantId(n);
  const isPro = n % PRO_EVERY === 1;
  const isPastDue = n % PAST_DUE_EVERY === 1;
  const tier = isPro ? 'PRO' : 'FREE';
  const monthlyCents = isPro ? PRO_CENTS : null;
  const states = [
    ...(n % SUSPENDED_EVERY === 2 ? [TenantState.SUSPENDED] : []),
    ...(isPastDue ? [TenantState.PAST_DUE] : []),
    ...(n % NEAR_EVERY === 3 ? [TenantState.NEAR_LIMIT] : []),
  ];
  // Any order but that of the ids.
  const calls = (n * 7_919) % 100_003;
  return {
    _id,
    tier,
    tierVersion: 1,
    paidTier: isPro ? 'PRO' : null,
    monthlyCents,
    states,
    lists: [null, ...states].flatMap((state) => [listName(null, state), listName(tier, state)]),
    pastDueSince: isPastDue ? new Date(nowMs - 3 * DAY_MS) : null,
    graceEndsAt: isPastDue ? new Date(nowMs + 11 * DAY_MS + n) : null,
    revenueKey: revenueKeyOf(_id, monthlyCents ?? 0),
    usageKey: usageKeyOf(_id, month, calls),
  };
}

const oneIn = (count: number, every: number) => Math.floor(count / every);

/** Tells servers that all tenants have just been counted, so that no count runs while something else is measured. */
export async function storeAsCounted(models: Models): Promise<void> {
  await storeSums(models, 0, Date.now());
}

async function storeSums(models: Models, count: number, nowMs: number): Promise<void> {
  await models.tenantCounts.collection.replaceOne(
    { _id: 'tenants' as never },
    { live: sums(count), countedAt: new Date(nowMs), countedBy: RULES },
    { upsert: true },
  );
}

const sums = (count: number) => {
  const pro = oneIn(count, PRO_EVERY);
  return {
    tenants: count,
    tiers: { FREE: count - pro, PRO: pro },
    versions: { FREE: { 1: count - pro }, PRO: { 1: pro } },
    revenue: { PRO: { cents: pro * PRO_CENTS, tenants: pro } },
    states: {
      PAST_DUE: oneIn(count, PAST_DUE_EVERY),
      NEAR_LIMIT: oneIn(count, NEAR_EVERY),
      SUSPENDED: oneIn(count, SUSPENDED_EVERY),
    },
  };
};

async function storeDays(models: Models, days: number, nowMs: number): Promise<void> {
  const expiresAt = new Date(nowMs + DAY_MS);
  const figures = sums(1_000);
  const at = new Date(nowMs);
  await models.dailyFigures.collection.insertMany(
    Array.from({ length: days }, (_, ago) => ({
      _id: dayOf(nowMs - ago * DAY_MS),
      ...{ figures, calls: 1_000_000, rejections: 500, created: 3, startedPaying: 2, stoppedPaying: 1 },
      at,
      expiresAt,
    })) as never[],
  );
  const activity = { calls: 40_000, rejected: { minute: 20, day: 5 } };
  await models.hourlyActivity.collection.insertMany(
    Array.from({ length: 7 * 24 }, (_, ago) => ({
      _id: new Date(nowMs - ago * HOUR_MS).toISOString().slice(0, 'YYYY-MM-DDTHH'.length),
      by: Object.fromEntries(Array.from({ length: INSTANCES }, (_, i) => [`instance${i}`, activity])),
      expiresAt,
    })) as never[],
  );
}
