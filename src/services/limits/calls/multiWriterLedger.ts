import { sumOf } from '@continuum-billing/limits/core';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';
import type { UsageDayDoc } from '../../../models/usageDay.js';
import { sendUpdates } from '../../infrastructure/conditionalUpdates.js';
import type { CallLimits } from '../../tiers/entitlements.js';
import { spanOf } from '../../tiers/overage.js';
import { chargeStatement, type Increment } from './increments.js';
import type { Ledger, WaitingCall } from './ledger.js';
import type { OverageDays } from './overageDays.js';
import type { ReturnedCalls } from './returnedCalls.js';
import type { Takeover } from './takeover.js';
import {
  addCalls,
  callsPastQuota,
  copyOf,
  emptyView,
  fullWindow,
  minuteToCharge,
  needsOpening,
  subtractCalls,
  type UsageView,
  useOf,
  viewOf,
} from './usageView.js';
import { dayOf, hourOf, usageDayId } from './windows.js';

/** The waiting calls of one tenant, in order of arrival. */
interface Group {
  id: string;
  limits: CallLimits;
  waiting: WaitingCall[];
}

interface Attempt {
  group: Group;
  granted: WaitingCall[];
  increment: Increment;
}

const MAX_VIEWS = 100_000;
/** How long a tenant is rejected from memory before the database is read again. */
const REJECT_FROM_MEMORY_MS = 1_000;
/** How often a view is read again, so that response headers include the charges of other instances. */
const REFRESH_MS = 2_000;
/** After this time the caller gets SERVICE_UNAVAILABLE. */
const READ_TIMEOUT_MS = 1_800;

/**
 * The ledger for several instances on one MongoDB. Each batch is one bulk of conditional increments, one per tenant. If
 * fewer were charged than sent, the documents show which, and the remaining room is granted in order of arrival.
 */
export function createMultiWriterLedger(deps: {
  models: Models;
  clock: Clock;
  /** The id of this server, under which a document records its last batch. */
  instance: string;
  takeover: Takeover;
  returnedCalls: ReturnedCalls;
  overageDays: OverageDays;
}): Ledger {
  const { models, clock, instance, takeover, returnedCalls, overageDays } = deps;
  const days = models.usageDays.collection;
  const views = new LRUCache<string, UsageView>({ max: MAX_VIEWS });
  let lastBatch = 0;

  async function decide(calls: readonly WaitingCall[]): Promise<void> {
    let groups = groupByTenant(calls);
    try {
      // Each round either finishes a group or has seen another instance use up its room, so this ends: usage only rises.
      while (groups.length > 0) groups = await round(groups);
    } catch (error) {
      // The calls may or may not be counted: read the documents again next time.
      for (const { id } of groups) views.delete(id);
      throw error;
    }
  }

  function groupByTenant(batch: readonly WaitingCall[]): Group[] {
    const day = dayOf(clock.now());
    const groups = new Map<string, Group>();
    for (const item of batch) {
      const group = groups.get(item.tenantId);
      if (group) {
        group.waiting.push(item);
        group.limits = item.limits;
      } else {
        groups.set(item.tenantId, {
          id: usageDayId(item.tenantId, day),
          limits: item.limits,
          waiting: [item],
        });
      }
    }
    return [...groups.values()];
  }

  /** @returns the groups that are still undecided */
  async function round(groups: Group[]): Promise<Group[]> {
    const nowMs = clock.now();
    await readViews(groups.filter((group) => mayBeRejected(group, nowMs)).map(({ id }) => id));
    await openDays(groups);
    const batch = ++lastBatch;
    const attempts = groups.map((group) => attempt(group, batch, nowMs)).filter((a) => a.granted.length > 0);
    if (attempts.length === 0) return [];
    const [charged, stale] = await Promise.all([
      sendUpdates(
        models.usageDays,
        attempts.map(({ increment }) => chargeStatement(increment)),
      ),
      readDays(attempts.map(({ group }) => group.id).filter((id) => isOld(id, nowMs))),
    ]);
    const all = charged === attempts.length;
    const docs = all ? stale : await readDays(attempts.map(({ group }) => group.id));
    await endOtherGenerations(docs.values());
    return attempts.flatMap((tried) => {
      const doc = docs.get(tried.group.id);
      const counted = doc?.batches?.[instance] === batch;
      if (all || counted) {
        grant(tried, doc, counted, nowMs);
        return [];
      }
      // A leased day has been charged more since it was written.
      if (doc?.claim) views.delete(tried.group.id);
      else views.set(tried.group.id, viewOf(doc, nowMs));
      return [{ ...tried.group, waiting: tried.granted }];
    });
  }

  /** Fences a single writer that still leases some of the days, and settles them. */
  async function endOtherGenerations(docs: Iterable<UsageDayDoc>): Promise<void> {
    const generations = new Set([...docs].flatMap(({ claim }) => (claim ? [claim.epoch] : [])));
    for (const generation of generations) await takeover(generation);
  }

  const viewFor = (id: string): UsageView => views.get(id) ?? emptyView();
  const isOld = (id: string, nowMs: number) => nowMs - viewFor(id).readAtMs >= REFRESH_MS;

  /** Opens the days of tenants that pay for calls beyond the quota. */
  async function openDays(groups: readonly Group[]): Promise<void> {
    const closed = groups.filter(({ id, limits, waiting }) =>
      needsOpening(viewFor(id), limits, sumOfCalls(waiting)),
    );
    for (const { id, limits } of closed) await overageDays.open(id, limits, null);
    await readViews(closed.map(({ id }) => id));
  }

  /** Whether some calls have no room according to a view that is too old for a rejection. */
  function mayBeRejected(group: Group, nowMs: number): boolean {
    const view = viewFor(group.id);
    if (nowMs - view.readAtMs < REJECT_FROM_MEMORY_MS) return false;
    return fullWindow(view, group.limits, sumOfCalls(group.waiting), minuteToCharge(view, nowMs)) !== null;
  }

  /** Grants the calls that have room, in order of arrival, and rejects the rest. */
  function attempt(group: Group, batch: number, nowMs: number): Attempt {
    const before = viewFor(group.id);
    const view = copyOf(before);
    const minute = minuteToCharge(view, nowMs);
    const granted: WaitingCall[] = [];
    for (const item of group.waiting) {
      const window = fullWindow(view, group.limits, item.calls, minute);
      if (window) {
        item.resolve({ admitted: false, used: useOf(view, nowMs), window });
      } else {
        addCalls(view, group.limits, item.calls, minute);
        granted.push(item);
      }
    }
    const charges = granted.flatMap((item) => item.charges);
    const calls = sumOf(charges);
    const pastQuota = callsPastQuota(before, group.limits, calls) > 0;
    const increment = {
      id: group.id,
      limits: group.limits,
      calls,
      charges,
      minute,
      hour: hourOf(nowMs),
      instance,
      batch,
      overageGeneration: pastQuota ? (view.overage?.turn ?? null) : null,
      overageSpan: spanOf(group.limits.overageTerms ?? null, nowMs),
    };
    return { group, granted, increment };
  }

  /** @param doc read during or after the increment, if it was read @param counted whether it includes the increment */
  function grant(
    { group, granted, increment }: Attempt,
    doc: UsageDayDoc | undefined,
    counted: boolean,
    nowMs: number,
  ): void {
    const read = doc !== undefined || isOld(group.id, nowMs);
    const view = read ? viewOf(doc, nowMs) : viewFor(group.id);
    // Start from the view before the batch, so that each call gets the usage up to and including itself.
    if (counted) subtractCalls(view, increment.calls, increment.minute);
    for (const item of granted) {
      addCalls(view, group.limits, item.calls, increment.minute);
      item.resolve({ admitted: true, used: useOf(view, nowMs) });
    }
    views.set(group.id, view);
  }

  async function readDays(ids: string[]): Promise<Map<string, UsageDayDoc>> {
    if (ids.length === 0) return new Map();
    const found = await days
      .find(
        { _id: { $in: ids as never[] } },
        {
          projection: { calls: 1, minute: 1, overage: 1, batches: 1, claim: 1 },
          timeoutMS: READ_TIMEOUT_MS,
        },
      )
      .toArray();
    return new Map(found.map((doc) => [String(doc._id), doc as unknown as UsageDayDoc]));
  }

  async function readViews(ids: string[]): Promise<void> {
    const docs = await readDays(ids);
    const nowMs = clock.now();
    for (const id of ids) views.set(id, viewOf(docs.get(id), nowMs));
  }

  return {
    async commit(batch) {
      const calls = batch.filter((item) => item.kind === 'call');
      if (calls.length > 0) await decide(calls);
      for (const item of batch) {
        if (item.kind === 'call') continue;
        const id = usageDayId(item.tenantId, dayOf(item.used.atMs));
        returnedCalls.apply(id, item.charges, item.used.atMs).then(() => {
          views.delete(id);
          item.resolve();
        }, item.reject);
      }
      return [];
    },
    peek(tenantId) {
      const nowMs = clock.now();
      const view = views.get(usageDayId(tenantId, dayOf(nowMs)));
      return view ? useOf(view, nowMs) : null;
    },
    recorded(ids) {
      for (const id of ids) views.delete(id);
    },
    async settle() {
      // Batches are in the documents before they are answered.
    },
  };
}

const sumOfCalls = (waiting: readonly WaitingCall[]): number =>
  waiting.reduce((sum, { calls }) => sum + calls, 0);
