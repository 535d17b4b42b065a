import type { ClientSession } from 'mongoose';
import type { Clock } from '../../common/clock.js';
import type { BillingSubscriptionDoc } from '../../models/billingSubscription.js';
import type { TenantCountsDoc } from '../../models/figures.js';
import type { Models } from '../../models/models.js';
import type { TenantDoc } from '../../models/tenant.js';
import type { TenantStandingDoc } from '../../models/tenantStanding.js';
import { usageKeyOf } from '../limits/activity/usageRanks.js';
import { dayOf } from '../limits/ledger/windows.js';
import type { Entitlements } from '../tiers/entitlements.js';
import type { Tiers } from '../tiers/tiers.js';
import type { Alerts } from '../usage/alerts/alerts.js';
import { expiryOfDay } from './dailyFigures.js';
import { createStandingRule, isSameStanding, type Standing } from './standing.js';
import { addTo, COUNTS_ID, type FigureAmounts, shareOf } from './tenantFigures.js';

export type { TenantStandingDoc };

/** The standings of tenants and their sums. A tenant's share of the sums changes with its standing, in one transaction. */
export interface Standings {
  /**
   * Derives the standings of the tenants again, and moves the sums by what changed. Repeating it changes nothing.
   * @param session the transaction in which the tenants are published
   */
  refresh(tenantIds: readonly string[], session: ClientSession): Promise<void>;
  /**
   * Makes other transactions that change the sums wait and repeat. A long one calls it first, because it would hardly ever
   * end if short ones could come between.
   */
  lock(session: ClientSession): Promise<void>;
  /** Reads a page of tenants in the transaction, corrects their standings, and returns the sum of their shares. */
  recount(after: string, count: number, session: ClientSession): Promise<RecountedPage>;
  findMany(tenantIds: readonly string[]): Promise<(TenantStandingDoc | null)[]>;
}

export interface RecountedPage {
  tenantIds: string[];
  shares: FigureAmounts;
  /** By how much the sums change, because standings were wrong or missing. */
  correction: FigureAmounts;
}

export function createStandings(deps: {
  models: Models;
  clock: Clock;
  entitlements: Entitlements;
  tiers: Tiers;
  alerts: Pick<Alerts, 'levelsOf'>;
}): Standings {
  const { models, clock, alerts } = deps;
  const standingOf = createStandingRule(deps);
  const standings = models.connection.collection<TenantStandingDoc>(models.tenantStandings.collection.name);
  const counts = models.connection.collection<TenantCountsDoc>(models.tenantCounts.collection.name);
  const days = models.dailyFigures.collection;

  /** A transaction's reads run one after the other. The alerts are read last, so they are never older than its snapshot. */
  async function derive(tenants: readonly TenantDoc[], session: ClientSession) {
    const ids = tenants.map(({ _id }) => _id);
    const subscriptions = await models.billingSubscriptions
      .find({ _id: { $in: ids } }, null, { session })
      .lean<BillingSubscriptionDoc[]>();
    const stored = await standings.find({ _id: { $in: ids } }, { session }).toArray();
    const levels = await alerts.levelsOf(ids);
    const subscriptionOf = new Map(subscriptions.map((one) => [one._id, one]));
    const storedOf = new Map(stored.map((one) => [one._id, one]));
    const nowMs = clock.now();
    return tenants.map((tenant) => ({
      tenant,
      before: storedOf.get(tenant._id) ?? null,
      after: standingOf(
        {
          tenant,
          subscription: subscriptionOf.get(tenant._id) ?? null,
          alertLevel: levels.get(tenant._id) ?? 0,
        },
        nowMs,
      ),
    }));
  }

  async function write(changed: readonly Standing[], session: ClientSession): Promise<void> {
    if (changed.length === 0) return;
    const month = dayOf(clock.now()).slice(0, -'-DD'.length);
    await standings.bulkWrite(
      changed.map(({ _id, dueAt, ...standing }) => ({
        updateOne: {
          filter: { _id },
          update: {
            $set: { ...standing, ...(dueAt && { dueAt }) },
            ...(!dueAt && { $unset: { dueAt: '' } }),
            $setOnInsert: { usageKey: usageKeyOf(_id, month, 0) },
          },
          upsert: true,
        },
      })),
      { session, ordered: false },
    );
  }

  /** A count that is running includes the tenants up to `after`, so their changes are added to its sums, too. */
  async function add(changes: readonly Change[], session: ClientSession): Promise<void> {
    const state = await counts.findOne({ _id: COUNTS_ID }, { session });
    const increments: FigureAmounts = new Map();
    for (const { before, after } of changes) {
      const delta = deltaOf(before, after);
      addTo(increments, prefixed('live', delta));
      if (state?.recount && after._id <= state.recount.after)
        addTo(increments, prefixed('recount.sums', delta));
    }
    if (increments.size > 0)
      await counts.updateOne({ _id: COUNTS_ID }, { $inc: Object.fromEntries(increments) }, { session });
    for (const [day, flows] of flowsOf(changes, clock.now()))
      await days.updateOne(
        { _id: day as never },
        { $inc: Object.fromEntries(flows), $setOnInsert: { expiresAt: expiryOfDay(clock.now()) } },
        { upsert: true, session },
      );
  }

  return {
    async refresh(tenantIds, session) {
      const tenants = await models.tenants
        .find({ _id: { $in: tenantIds } }, null, { session })
        .lean<TenantDoc[]>();
      const derived = await derive(tenants, session);
      const changed = derived.filter(({ before, after }) => !before || !isSameStanding(before, after));
      if (changed.length === 0) return;
      await write(
        changed.map(({ after }) => after),
        session,
      );
      await add(changed, session);
    },

    async lock(session) {
      await counts.updateOne({ _id: COUNTS_ID }, { $inc: { locks: 1 } }, { session });
    },

    async recount(after, count, session) {
      const tenants = await models.tenants
        .find({ _id: { $gt: after } }, null, { session })
        .sort({ _id: 1 })
        .limit(count)
        .lean<TenantDoc[]>();
      const derived = await derive(tenants, session);
      const wrong = derived.filter((one) => !one.before || !isSameStanding(one.before, one.after));
      await write(
        wrong.map((one) => one.after),
        session,
      );
      const shares: FigureAmounts = new Map();
      const correction: FigureAmounts = new Map();
      for (const one of derived) addTo(shares, shareOf(one.after));
      for (const one of wrong) addTo(correction, deltaOf(one.before, one.after));
      return { tenantIds: tenants.map(({ _id }) => _id), shares, correction };
    },

    async findMany(tenantIds) {
      const found = await standings.find({ _id: { $in: [...tenantIds] } }).toArray();
      const byId = new Map(found.map((one) => [one._id, one]));
      return tenantIds.map((id) => byId.get(id) ?? null);
    },
  };
}

/** New tenants are published within seconds, or after an outage. */
const NEW_MS = 86_400_000;

interface Change {
  tenant: Pick<TenantDoc, 'createdAt'>;
  before: Standing | null;
  after: Standing;
}

function deltaOf(before: Standing | null, after: Standing): FigureAmounts {
  const delta = shareOf(after);
  addTo(delta, shareOf(before), -1);
  return delta;
}

export const prefixed = (prefix: string, amounts: FigureAmounts): FigureAmounts =>
  new Map([...amounts].map(([path, amount]) => [`${prefix}.${path}`, amount]));

/** What happened to tenants, by UTC day. A tenant that is counted long after it was created may have paid before. */
function flowsOf(changes: readonly Change[], nowMs: number): Map<string, FigureAmounts> {
  const flows = new Map<string, FigureAmounts>();
  const add = (day: string, name: string) => {
    const ofDay: FigureAmounts = flows.get(day) ?? new Map();
    addTo(ofDay, new Map([[name, 1]]));
    flows.set(day, ofDay);
  };
  const today = dayOf(nowMs);
  for (const { tenant, before, after } of changes) {
    const createdAtMs = tenant.createdAt.getTime();
    const isNew = !before && createdAtMs > nowMs - NEW_MS;
    if (isNew) add(dayOf(createdAtMs), 'created');
    if (!before && !isNew) continue;
    const [paid, pays] = [before?.paidTier != null, after.paidTier !== null];
    if (!paid && pays) add(today, 'startedPaying');
    if (paid && !pays) add(today, 'stoppedPaying');
  }
  return flows;
}
