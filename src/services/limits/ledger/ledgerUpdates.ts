import { type Charge } from '@continuum-billing/limits/core';
import type { StorageReservation, WindowName } from '../../../models/ledger.js';
import { type ConditionalUpdate, changeIf } from '../../infrastructure/conditionalUpdates.js';
import { spanKey, spanOf } from '../../tiers/overage.js';
import { askedOf, limitOf, sumOf } from '../storage/storageAmounts.js';
import type { Reserved, TakenLimits } from './admission.js';
import { encodeEndpoint } from './endpointNames.js';
import { EXTRACTION_ENDPOINT } from './extractions.js';
import { type ChargedWindows, callsPastQuota, type LedgerView, MAX_RESERVATIONS } from './ledgerView.js';
import { hourOf } from './windows.js';

/** What one tenant's operations take together in one batch. */
export interface LedgerTake {
  tenantId: string;
  limits: TakenLimits;
  calls: number;
  charges: readonly Charge[];
  windows: ChargedWindows;
  reserved: readonly Reserved[];
  atMs: number;
  /** What is known of the ledger. Where it is wrong, the update changes nothing. */
  view: LedgerView;
  /** The server instance and the number of its batch. */
  instance: string;
  batch: number;
}

/** @returns calls by encoded path: `endpoints.<name>`, `hours.<hour>` and `extractions`; 1 by `marks.<mark>` */
export function callPaths(charges: readonly Charge[], hour: number): Map<string, number> {
  const paths = new Map<string, number>();
  for (const { endpoint, calls, mark } of charges) {
    if (mark !== undefined) paths.set(`marks.${mark}`, 1);
    const more = endpoint === EXTRACTION_ENDPOINT ? ['extractions'] : [];
    for (const path of [`endpoints.${encodeEndpoint(endpoint)}`, `hours.${hour}`, ...more]) {
      paths.set(path, (paths.get(path) ?? 0) + calls);
    }
  }
  return paths;
}

/**
 * Builds the update that takes everything if, and only if, all of it has room. MongoDB executes these operators at half the
 * cost of a pipeline with the same effect. Sending it again changes nothing.
 */
export function takeUpdate(take: LedgerTake): ConditionalUpdate {
  const { tenantId, instance, batch, calls, reserved } = take;
  const parts = [...(calls > 0 ? chargeOf(take) : []), ...(reserved.length > 0 ? [reservationOf(take)] : [])];
  return {
    q: Object.assign(
      { _id: tenantId, [`batches.${instance}`]: { $not: { $gte: batch } } },
      ...parts.map(({ condition }) => condition),
    ),
    u: {
      $inc: Object.assign({}, ...parts.map(({ plus }) => plus)),
      $set: Object.assign({ [`batches.${instance}`]: batch }, ...parts.map(({ set }) => set)),
      ...(reserved.length > 0 && {
        $push: { reservations: { $each: reserved.map(reservationAt(take.atMs)) } },
      }),
    },
    hint: '_id_',
  };
}

/** One part of an update. */
interface Part {
  condition: object;
  plus: Record<string, number>;
  set?: object;
}

function chargeOf(take: LedgerTake): Part[] {
  const { limits, calls, charges, windows, view, atMs } = take;
  const { apiCallsPerDay, apiCallsPerMinute } = limits.calls;
  const past = callsPastQuota(view, limits.calls, calls, windows.day);
  const recorded = [...callPaths(charges, hourOf(atMs))].map(([path, count]) => [`today.${path}`, count]);
  const day = {
    condition: {
      'windows.day.at': windows.day,
      ...(past === 0 && { 'windows.day.used': { $lte: apiCallsPerDay - calls } }),
    },
    plus: { 'windows.day.used': calls, ...Object.fromEntries(recorded) },
  };
  return [
    day,
    addedTo('minute', calls, apiCallsPerMinute, take),
    ...(past > 0
      ? [overageOf(take, past), addedTo('overage', past, limits.calls.overageCallsPerMonth, take)]
      : []),
  ];
}

/** Adds to a window that may have to begin. */
function addedTo(name: WindowName, amount: number, limit: number, { windows, view }: LedgerTake): Part {
  const [at, used] = [`windows.${name}.at`, `windows.${name}.used`];
  return view.windows[name].at === windows[name]
    ? { condition: { [at]: windows[name], [used]: { $lte: limit - amount } }, plus: { [used]: amount } }
    : {
        condition: { [at]: { $not: { $gte: windows[name] } } },
        plus: {},
        set: { [`windows.${name}`]: { at: windows[name], used: amount } },
      };
}

/** How many calls exceed the quota follows from the day's calls, which must be those that are known unless all exceed it. */
function overageOf({ limits, calls, view, atMs }: LedgerTake, past: number): Part {
  const terms = limits.calls.overageTerms ?? null;
  const { used } = view.windows.day;
  return {
    condition: { 'windows.day.used': past === calls ? { $gte: limits.calls.apiCallsPerDay } : used },
    plus: { 'today.overage.used': past, [`today.overage.spans.${spanOf(terms, atMs)}`]: past },
    set: {
      'today.overageLedger': 'OPEN',
      ...(terms && { [`today.overage.prices.${spanKey(terms.billedFromMs)}`]: terms.price }),
    },
  };
}

function reservationOf({ reserved, limits }: LedgerTake): Part {
  const totals = sumOf(reserved.map(({ amounts }) => amounts));
  // A resource that was never stored is missing.
  const room = askedOf(totals).map(([resource, amount]) => [
    `levels.${resource}`,
    { $not: { $gt: limitOf(limits.storage, resource) - amount } },
  ]);
  return {
    condition: {
      [`reservations.${MAX_RESERVATIONS - reserved.length}`]: { $exists: false },
      ...Object.fromEntries(room),
    },
    plus: Object.fromEntries(
      Object.entries(totals).map(([resource, amount]) => [`levels.${resource}`, amount]),
    ),
  };
}

const reservationAt =
  (atMs: number) =>
  ({ id, amounts, external }: Reserved): StorageReservation => ({
    id,
    at: new Date(atMs),
    amounts: { ...amounts },
    ...(external && { external: true }),
  });

/**
 * Begins a day in a ledger that has an earlier one, or none. The record of the earlier one waits in `ended` until the history
 * has it; until then no other day begins.
 */
export const beginDay = (day: number): object[] =>
  changeIf(
    { $and: [{ $lt: ['$windows.day.at', day] }, { $lte: ['$ended', null] }] },
    {
      ended: {
        $cond: [
          { $gt: ['$windows.day.at', null] },
          { $mergeObjects: ['$today', { at: '$windows.day.at', calls: '$windows.day.used' }] },
          '$$REMOVE',
        ],
      },
      today: { $literal: {} },
      windows: { $mergeObjects: ['$windows', { day: { at: day, used: 0 } }] },
    },
  );
