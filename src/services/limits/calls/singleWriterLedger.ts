import { sumOf } from '@continuum-billing/limits/core';
import { mongo } from 'mongoose';
import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';
import { EMPTY_USAGE_DAY, type UsageDayDoc } from '../../../models/usageDay.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
import { within } from '../../infrastructure/within.js';
import type { CallLimits } from '../../tiers/entitlements.js';
import { spanOf } from '../../tiers/overage.js';
import { callPaths } from './increments.js';
import type { Journal, JournalEntry } from './journal.js';
import type { Ledger, WaitingCall, WaitingItem, WaitingReturn } from './ledger.js';
import type { OverageDays } from './overageDays.js';
import type { Takeover } from './takeover.js';
import {
  addCalls,
  addToMinute,
  addToSpan,
  fullWindow,
  minuteToCharge,
  needsOpening,
  subtractCalls,
  takeOffSpan,
  type UsageView,
  useOf,
  viewOf,
} from './usageView.js';
import { dayOf, daysOfMonth, hourOf, minuteOf, usageDayId } from './windows.js';

/** A usage day that this instance keeps in memory. */
interface Account {
  /** Includes the batch that is being written. */
  view: UsageView;
  /** Calls that are in the journal but not yet in the document. */
  unsettled: { calls: number; paths: Map<string, number> } | null;
  durableMinute: { at: number; calls: number };
  /** Calls were added to the document outside this ledger, so the view must be read again. */
  outdated: boolean;
  /** The last batch that the document includes. */
  settledSequence: number;
  /** When it was charged last, by the monotonic clock. */
  usedAtMs: number;
}

/** The ledger of a single writer. It lasts for one generation, and ends for good when that is fenced. */
export interface SingleWriterLedger extends Ledger {
  readonly generation: number;
  /** Whether another instance fenced the generation: nothing can be committed any more. */
  isFenced(): boolean;
  /** Writes all decided calls to the documents, and trims the journal. */
  settleAll(): Promise<void>;
  /** The days that nobody has charged for a while. */
  idleDays(): string[];
  /**
   * Gives back those of these days that are still idle: they are leased again with their next call. No batch may be
   * committed meanwhile.
   */
  releaseIdle(usageDayIds: readonly string[]): Promise<void>;
}

/** The content of one insert into the journal. */
interface Batch {
  entries: JournalEntry[];
  /** Returns the batch's charges, in case its insert landed although its callers got an error. */
  undo: WaitingReturn[];
  returned: WaitingReturn[];
}

interface Settlement {
  upTo: number;
  statements: mongo.AnyBulkWriteOperation<UsageDayDoc>[];
  accounts: Map<string, Account>;
}

const MAX_DAYS = 50_000;
/** After this time without a charge a day leaves memory. */
const IDLE_MS = 60_000;
const COMMIT_TIMEOUT_MS = 1_800;
const CHUNK = 1_000;

/**
 * Decisions are made in memory. A batch is one insert into a journal, for any number of tenants. No other instance
 * charges a leased day, and the insert fails once the generation is fenced, so memory is right whenever an answer is
 * returned.
 */
export function createSingleWriterLedger(deps: {
  models: Models;
  clock: Clock;
  journal: Journal;
  takeover: Takeover;
  overageDays: OverageDays;
  generation: number;
  /** How many days it keeps in memory. */
  maxDays?: number;
  idleMs?: number;
}): SingleWriterLedger {
  const { models, clock, journal, takeover, overageDays, generation } = deps;
  const { maxDays = MAX_DAYS, idleMs = IDLE_MS } = deps;
  const days = models.usageDays.collection;
  const accounts = new Map<string, Account>();
  let sequence = 0;
  let isFenced = false;
  /** A batch whose insert got no answer: no other batch follows until it is known whether it landed. */
  let uncertain: Batch | null = null;
  /** Returns that are added to the next batch. */
  let owed: WaitingReturn[] = [];
  /** The settlement under way. If its response is lost, the same statements are sent again. */
  let settlement: Settlement | null = null;
  let settling: Promise<void> = Promise.resolve();
  let trimmedTo = 0;

  async function commit(batch: readonly WaitingItem[]): Promise<readonly WaitingItem[]> {
    if (isFenced) return batch;
    if (uncertain) await settleUncertain(uncertain);
    const items = [...owed, ...batch];
    if (isFenced) return items;
    const nowMs = clock.now();
    const today = dayOf(nowMs);
    const idOf = (item: WaitingItem) =>
      usageDayId(item.tenantId, item.kind === 'call' ? today : dayOf(item.used.atMs));
    const idOfItem = items.map(idOf);
    const ids = [...new Set(idOfItem)];
    if (!(await leaseDays(ids))) return items;
    const usedAtMs = performance.now();
    for (const id of ids) (accounts.get(id) as Account).usedAtMs = usedAtMs;
    await refresh(ids);
    await openDays(items, idOfItem);

    const entries = new Map<string, JournalEntry>();
    const undo: WaitingReturn[] = [];
    const returned: WaitingReturn[] = [];
    const answers: (() => void)[] = [];
    for (const [i, item] of items.entries()) {
      const id = idOfItem[i] as string;
      const account = accounts.get(id) as Account;
      if (item.kind === 'return') {
        applyReturn(account, item, id, entries);
        returned.push(item);
        answers.push(item.resolve);
      } else {
        answers.push(decide(account, item, id, nowMs, entries, undo));
      }
    }
    owed = [];
    if (entries.size > 0 && !(await append({ entries: [...entries.values()], undo, returned }))) return items;
    for (const answer of answers) answer();
    return [];
  }

  /** Writes the batch again. Its callers got an error, so if it landed, its charges are returned. */
  async function settleUncertain(batch: Batch): Promise<void> {
    owed.push(...((await append(batch)) ? batch.undo : batch.returned));
  }

  /** @returns what answers the call once the batch is on disk */
  function decide(
    account: Account,
    item: WaitingCall,
    id: string,
    nowMs: number,
    entries: Map<string, JournalEntry>,
    undo: WaitingReturn[],
  ): () => void {
    const { view } = account;
    const minute = minuteToCharge(view, nowMs);
    const window = fullWindow(view, item.limits, item.calls, minute);
    if (window) {
      const used = useOf(view, nowMs);
      return () => item.resolve({ admitted: false, used, window });
    }
    const overage = addCalls(view, item.limits, item.calls, minute);
    const paths = callPaths(item.charges, hourOf(nowMs));
    if (overage > 0) {
      const span = spanOf(item.limits.overageTerms ?? null, nowMs);
      addToSpan(view, span, overage);
      paths.set(OVERAGE_PATH, overage).set(spanPath(span), overage);
    }
    note(entries, id, item.calls, minute, paths);
    const used = useOf(view, nowMs);
    const { tenantId, charges } = item;
    undo.push({ kind: 'return', tenantId, charges, used, resolve: ignore, reject: ignore });
    return () => item.resolve({ admitted: true, used });
  }

  function applyReturn(
    { view }: Account,
    item: WaitingReturn,
    id: string,
    entries: Map<string, JournalEntry>,
  ): void {
    const { atMs } = item.used;
    const minute = minuteOf(atMs);
    const calls = sumOf(item.charges);
    // A service may ask to return more calls than were charged: those are not returned.
    if (calls > view.calls) return;
    const overage = subtractCalls(view, calls, minute);
    const paths = callPaths(item.charges, hourOf(atMs));
    if (overage > 0) {
      paths.set(OVERAGE_PATH, overage);
      const taken = takeOffSpan(view, atMs, overage);
      if (taken) paths.set(spanPath(taken.span), taken.calls);
    }
    note(entries, id, -calls, minute, new Map([...paths].map(([path, count]) => [path, -count])));
  }

  /** Adds calls to the batch's entry for the day. */
  function note(
    entries: Map<string, JournalEntry>,
    id: string,
    calls: number,
    minute: number,
    paths: ReadonlyMap<string, number>,
  ): void {
    // Returns of an earlier minute get an entry of their own.
    const key = `${id}@${minute}`;
    const entry = entries.get(key) ?? { id, calls: 0, minute, paths: [] };
    entries.set(key, entry);
    entry.calls += calls;
    for (const [path, count] of paths) {
      const known = entry.paths.find(([name]) => name === path);
      if (known) known[1] += count;
      else entry.paths.push([path, count]);
    }
  }

  /** The batch is on disk: its calls are now to be settled. */
  function absorb(entries: readonly JournalEntry[]): void {
    for (const { id, calls, minute, paths } of entries) {
      const account = accounts.get(id) as Account;
      account.unsettled ??= { calls: 0, paths: new Map() };
      account.unsettled.calls += calls;
      for (const [path, count] of paths) {
        account.unsettled.paths.set(path, (account.unsettled.paths.get(path) ?? 0) + count);
      }
      addToMinute(account.durableMinute, minute, calls);
    }
  }

  /** Settles outdated days and reads their calls again. Batches are decided one at a time, so none adds calls meanwhile. */
  async function refresh(ids: readonly string[]): Promise<void> {
    const outdated = ids.filter((id) => accounts.get(id)?.outdated);
    if (outdated.length === 0) return;
    await settle(outdated);
    for (const id of outdated) (accounts.get(id) as Account).outdated = false;
    const found = await days
      .find({ _id: { $in: outdated as never[] } }, { projection: { calls: 1 }, timeoutMS: COMMIT_TIMEOUT_MS })
      .toArray();
    for (const { _id, calls } of found) (accounts.get(String(_id)) as Account).view.calls = calls;
  }

  /** Opens the days of tenants that pay for calls beyond the quota. */
  async function openDays(items: readonly WaitingItem[], idOfItem: readonly string[]): Promise<void> {
    const wanted = new Map<string, { limits: CallLimits; calls: number }>();
    for (const [i, item] of items.entries()) {
      // Most tenants have no overage.
      if (item.kind !== 'call' || item.limits.overageCallsPerMonth === 0) continue;
      const id = idOfItem[i] as string;
      wanted.set(id, { limits: item.limits, calls: item.calls + (wanted.get(id)?.calls ?? 0) });
    }
    await Promise.all(
      [...wanted].map(async ([id, { limits, calls }]) => {
        const { view } = accounts.get(id) as Account;
        if (needsOpening(view, limits, calls)) await openDay(id, view, limits);
      }),
    );
  }

  /** Settles the days of the month first: their documents must show what they have used. */
  async function openDay(id: string, view: UsageView, limits: CallLimits): Promise<void> {
    const ofMonth = daysOfMonth(id).filter((day) => accounts.has(day));
    await settle(ofMonth);
    view.overage = await overageDays.open(id, limits, generation);
    for (const other of ofMonth) {
      const { overage } = (accounts.get(other) as Account).view;
      if (other !== id && overage) Object.assign(overage, { allotted: overage.used, allowance: 0 });
    }
  }

  /** @returns false if the generation is fenced */
  async function append(batch: Batch): Promise<boolean> {
    const { entries, returned } = batch;
    uncertain = batch;
    // Answered even on failure: the batch is retried with them, and a second request would return the calls twice.
    const landed = await within(COMMIT_TIMEOUT_MS, journal.append(generation, sequence + 1, entries)).catch(
      (error) => {
        for (const item of returned) item.resolve();
        throw error;
      },
    );
    uncertain = null;
    if (landed) {
      sequence++;
      absorb(entries);
    } else {
      isFenced = true;
    }
    return landed;
  }

  /** Leases days that are not in memory yet. @returns false if the generation is fenced */
  async function leaseDays(ids: readonly string[]): Promise<boolean> {
    for (;;) {
      const unknown = ids.filter((id) => !accounts.has(id));
      if (unknown.length === 0) return true;
      await makeRoom(unknown.length, ids);
      const foreign = new Set<number>();
      for (let i = 0; i < unknown.length; i += CHUNK) {
        for (const other of await leaseChunk(unknown.slice(i, i + CHUNK))) foreign.add(other);
      }
      // Left by an older generation. Ours may be fenced too, which the next insert finds out.
      for (const other of foreign) await takeover(other);
      if (isFenced) return false;
    }
  }

  /** @returns the generations of other instances that lease some of the days */
  async function leaseChunk(ids: readonly string[]): Promise<number[]> {
    const statements = ids.map((id) => ({
      updateOne: {
        filter: { _id: id, claim: { $exists: false } },
        update: { $set: { claim: { epoch: generation, settled: sequence } }, $setOnInsert: EMPTY_USAGE_DAY },
        upsert: true,
      },
    }));
    try {
      await days.bulkWrite(statements as never, { ordered: false, timeoutMS: COMMIT_TIMEOUT_MS });
    } catch (error) {
      // A day that is already leased gives a duplicate key error.
      const isLeased = error instanceof mongo.MongoBulkWriteError && isDuplicateKey(error);
      if (!isLeased) throw error;
    }
    const found = await days
      .find(
        { _id: { $in: ids as never[] } },
        { projection: { calls: 1, minute: 1, overage: 1, claim: 1 }, timeoutMS: COMMIT_TIMEOUT_MS },
      )
      .toArray();
    const foreign: number[] = [];
    for (const doc of found) {
      const day = doc as unknown as UsageDayDoc;
      if (day.claim?.epoch === generation) {
        const view = viewOf(day, clock.now());
        const durableMinute = { ...view.minute };
        const settledSequence = day.claim.settled;
        accounts.set(day._id, {
          view,
          unsettled: null,
          durableMinute,
          outdated: false,
          settledSequence,
          usedAtMs: performance.now(),
        });
      } else if (day.claim) {
        foreign.push(day.claim.epoch);
      }
    }
    return foreign;
  }

  /** When memory is full, those that were charged longest ago leave it. */
  async function makeRoom(wanted: number, busy: readonly string[]): Promise<void> {
    const excess = accounts.size + wanted - maxDays;
    if (excess <= 0) return;
    const kept = new Set(busy);
    const others = [...accounts].filter(([id]) => !kept.has(id));
    const oldest = others.sort(([, a], [, b]) => a.usedAtMs - b.usedAtMs).map(([id]) => id);
    // A few more, so that the next batch need not sort again.
    await release(oldest.slice(0, excess + CHUNK));
  }

  function stillIdle(ids: Iterable<string>): string[] {
    const before = performance.now() - idleMs;
    return [...ids].filter((id) => (accounts.get(id)?.usedAtMs ?? before) < before);
  }

  async function release(ids: readonly string[]): Promise<void> {
    // A batch without an answer may still change its days.
    if (uncertain) return;
    await settle(ids);
    for (let i = 0; i < ids.length; i += CHUNK) {
      const chunk = ids.slice(i, i + CHUNK);
      // Forgotten first: a day whose lease is still there is leased again from what its document says.
      for (const id of chunk) accounts.delete(id);
      await days.updateMany(
        { _id: { $in: chunk as never[] }, 'claim.epoch': generation },
        { $unset: { claim: '' } },
        { timeoutMS: COMMIT_TIMEOUT_MS },
      );
    }
  }

  /** Settlements run one at a time; calls that arrive meanwhile are in the next one. */
  function settle(ids: Iterable<string>): Promise<void> {
    const next = settling.then(async () => {
      if (settlement) await finish(settlement);
      settlement = gather(ids);
      await finish(settlement);
    });
    settling = next.catch(() => undefined);
    return next;
  }

  function gather(ids: Iterable<string>): Settlement {
    const upTo = sequence;
    const gathered: Settlement = { upTo, statements: [], accounts: new Map() };
    for (const id of ids) {
      const account = accounts.get(id);
      if (!account?.unsettled) continue;
      gathered.accounts.set(id, account);
      gathered.statements.push({
        updateOne: {
          filter: { _id: id, 'claim.epoch': generation, 'claim.settled': account.settledSequence },
          update: {
            $inc: { calls: account.unsettled.calls, ...Object.fromEntries(account.unsettled.paths) },
            $set: { minute: { ...account.durableMinute }, 'claim.settled': upTo },
          },
        },
      });
      account.unsettled = null;
    }
    return gathered;
  }

  async function finish({ upTo, statements, accounts: settled }: Settlement): Promise<void> {
    for (let i = 0; i < statements.length; i += CHUNK) {
      await days.bulkWrite(statements.slice(i, i + CHUNK) as never, { ordered: false });
    }
    for (const account of settled.values()) account.settledSequence = upTo;
    settlement = null;
  }

  async function settleAll(): Promise<void> {
    const upTo = sequence;
    if (upTo === trimmedTo && !settlement) return;
    await settle(accounts.keys());
    await journal.trim(generation, upTo);
    trimmedTo = upTo;
  }

  return {
    generation,
    commit,
    settleAll,
    settle,
    idleDays: () => stillIdle(accounts.keys()),
    releaseIdle: (ids) => release(stillIdle(ids)),
    isFenced: () => isFenced,
    recorded(ids) {
      for (const id of ids) {
        const account = accounts.get(id);
        if (account) account.outdated = true;
      }
    },
    peek(tenantId) {
      const nowMs = clock.now();
      const account = accounts.get(usageDayId(tenantId, dayOf(nowMs)));
      return account ? useOf(account.view, nowMs) : null;
    },
  };
}

const ignore = (): void => undefined;

/** Paths in the usage day. */
const OVERAGE_PATH = 'overage.used';
const spanPath = (span: string): string => `overage.spans.${span}`;
