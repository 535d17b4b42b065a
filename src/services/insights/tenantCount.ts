import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { TenantCountsDoc } from '../../models/figures.js';
import type { Models } from '../../models/models.js';
import type { Lease } from '../infrastructure/lease.js';
import { createLeasedPasses, type LeasedPasses } from '../infrastructure/leasedPasses.js';
import type { UsageRanks } from '../limits/activity/usageRanks.js';
import type { DailyFigures } from './dailyFigures.js';
import { prefixed, type Standings } from './standings.js';
import { addTo, amountsIn, COUNTS_ID, type FigureAmounts } from './tenantFigures.js';

/**
 * Keeps standings true where no write does: those that change with the clock, and whatever an error left. One instance at
 * a time counts all tenants once a day, page by page, and stores the figures of the day every minute.
 */
export type TenantCount = LeasedPasses<void>;

const PASS_MS = 10_000;
const RECOUNT_MS = 86_400_000;
const FIGURES_MS = 60_000;
const PAGE = 200;
const DUE_PAGE = 100;
/** A count uses a fifth of the time, so that it never slows the database by more. The first one uses half. */
const PAUSE_FACTOR = 4;
const FIRST_PAUSE_FACTOR = 1;
const MAX_PAUSE_MS = 1_000;

export function createTenantCount(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  lease: Lease;
  /** Identifies the settings that standings depend on. When it changes, all tenants are counted again. */
  rules: string;
  standings: Standings;
  usageRanks: Pick<UsageRanks, 'refresh'>;
  dailyFigures: DailyFigures;
}): TenantCount {
  const { models, clock, log, lease, rules, standings, usageRanks, dailyFigures } = deps;
  const counts = models.connection.collection<TenantCountsDoc>(models.tenantCounts.collection.name);
  let figuresAtMs = Number.NEGATIVE_INFINITY;
  const passes = createLeasedPasses({
    lease,
    everyMs: PASS_MS,
    log,
    failedEvent: 'tenant_count.pass_failed',
    pass,
  });

  async function pass(): Promise<void> {
    if (!(await passes.mayGoOn())) return;
    await counts.updateOne({ _id: COUNTS_ID }, { $setOnInsert: { live: {} } }, { upsert: true });
    while (await passes.mayGoOn()) {
      await writeFigures();
      const startedAtMs = performance.now();
      const isFirst = await step();
      if (isFirst === null) break;
      const factor = isFirst ? FIRST_PAUSE_FACTOR : PAUSE_FACTOR;
      await sleep(Math.min(MAX_PAUSE_MS, factor * (performance.now() - startedAtMs)));
    }
  }

  async function writeFigures(): Promise<void> {
    if (performance.now() - figuresAtMs < FIGURES_MS) return;
    await dailyFigures.write();
    figuresAtMs = performance.now();
  }

  /** @returns whether this was part of the first count; null: nothing was to be done */
  async function step(): Promise<boolean | null> {
    if (await refreshDue()) return false;
    const state = await counts.findOne(
      { _id: COUNTS_ID },
      { projection: { countedAt: 1, countedBy: 1, recount: 1 } },
    );
    if (state?.recount?.rules !== rules) {
      const countedAtMs = state?.countedAt?.getTime() ?? Number.NEGATIVE_INFINITY;
      if (!state?.recount && state?.countedBy === rules && clock.now() - countedAtMs < RECOUNT_MS)
        return null;
      const recount = { startedAt: new Date(clock.now()), rules, after: '', sums: {} };
      await counts.updateOne({ _id: COUNTS_ID }, { $set: { recount } });
    }
    const tenantIds = await countPage();
    await usageRanks.refresh(tenantIds);
    // So that a new database has its first figures at once, and a chart those of a complete count.
    if (tenantIds.length < PAGE) figuresAtMs = Number.NEGATIVE_INFINITY;
    return state?.countedAt === undefined;
  }

  /** @returns whether any was due */
  async function refreshDue(): Promise<boolean> {
    const now = new Date(clock.now());
    const due = await models.tenantStandings
      .find({ dueAt: { $lte: now } }, { _id: 1 })
      .sort({ dueAt: 1 })
      .limit(DUE_PAGE)
      .lean<{ _id: string }[]>();
    if (due.length === 0) return false;
    const ids = due.map(({ _id }) => _id);
    await models.connection.transaction(async (session) => {
      await standings.lock(session);
      await standings.refresh(ids, session);
      // None is due again, whatever it is.
      await models.tenantStandings.updateMany(
        { _id: { $in: ids }, dueAt: { $lte: now } },
        { $unset: { dueAt: 1 } },
        { session },
      );
    });
    return true;
  }

  /** The transaction also writes the cursor: a change of a tenant is either in the page or added to the sums. */
  async function countPage(): Promise<string[]> {
    let counted: string[] = [];
    await models.connection.transaction(async (session) => {
      counted = [];
      await standings.lock(session);
      const state = await counts.findOne({ _id: COUNTS_ID }, { session });
      // Another instance finished the count.
      if (!state?.recount) return;
      const page = await standings.recount(state.recount.after, PAGE, session);
      counted = page.tenantIds;
      const last = page.tenantIds.at(-1) ?? state.recount.after;
      const sums = amountsIn(state.recount.sums);
      addTo(sums, page.shares);
      if (page.tenantIds.length < PAGE) await finish(state, sums, page.correction, session);
      else {
        const increments = new Map([
          ...prefixed('live', page.correction),
          ...prefixed('recount.sums', page.shares),
        ]);
        await counts.updateOne(
          { _id: COUNTS_ID },
          {
            $set: { 'recount.after': last },
            ...(increments.size > 0 && { $inc: Object.fromEntries(increments) }),
          },
          { session },
        );
      }
    });
    return counted;
  }

  async function finish(
    state: TenantCountsDoc,
    sums: FigureAmounts,
    correction: FigureAmounts,
    session: Parameters<Parameters<typeof models.connection.transaction>[0]>[0],
  ): Promise<void> {
    const live = amountsIn(state.live);
    addTo(live, correction);
    const drift = new Map(sums);
    addTo(drift, live, -1);
    if (state.countedAt && drift.size > 0)
      log.warn({ drift: Object.fromEntries(drift) }, 'tenant_count.corrected');
    await counts.updateOne(
      { _id: COUNTS_ID },
      {
        $set: { live: nested(sums), countedAt: new Date(clock.now()), countedBy: rules },
        $unset: { recount: '' },
      },
      { session },
    );
  }

  return passes;
}

/** Figures of amounts by path. */
function nested(amounts: FigureAmounts): object {
  const figures: Record<string, unknown> = {};
  for (const [path, amount] of amounts) {
    const names = path.split('.');
    const last = names.pop() as string;
    let place = figures;
    for (const name of names) {
      place[name] ??= {};
      place = place[name] as Record<string, unknown>;
    }
    place[last] = amount;
  }
  return figures;
}
