import type { mongo } from 'mongoose';
import type { UsageDayDoc } from '../../models/usageDay.js';
import type { CallLimits, Charge } from './admission.js';
import { encodeEndpoint } from './endpointName.js';

/** One tenant's calls in one batch. */
export interface Increment {
  /** Of the usage day. */
  id: string;
  limits: CallLimits;
  calls: number;
  charges: readonly Charge[];
  minute: number;
  hour: number;
  /** The server instance and the number of its batch. */
  instance: string;
  batch: number;
  /** Set when some of the calls are past the quota: the turn by which the day is open for them. */
  overageTurn: number | null;
}

/** Calls to this endpoint are extractions too. */
const EXTRACTION_ENDPOINT = 'extraction';

/** @returns calls by encoded path: `endpoints.<name>`, `hours.<hour>` and `extractions` */
export function callPaths(charges: readonly Charge[], hour: number): Map<string, number> {
  const paths = new Map<string, number>();
  for (const { endpoint, calls } of charges) {
    const more = endpoint === EXTRACTION_ENDPOINT ? ['extractions'] : [];
    for (const path of [`endpoints.${encodeEndpoint(endpoint)}`, `hours.${hour}`, ...more]) {
      paths.set(path, (paths.get(path) ?? 0) + calls);
    }
  }
  return paths;
}

/**
 * The statement that charges if, and only if, both windows have room; else it changes nothing. The condition is in the
 * update: with anything but `_id` in the filter MongoDB plans each statement anew, which costs it as much as the update.
 */
export function chargeStatement(increment: Increment): mongo.AnyBulkWriteOperation<UsageDayDoc> {
  const charged = { $mergeObjects: ['$$ROOT', chargedFields(increment)] };
  return {
    updateOne: {
      filter: { _id: increment.id },
      update: [{ $replaceWith: { $cond: [hasRoom(increment), charged, '$$ROOT'] } }],
      upsert: true,
    },
  };
}

/** Of a new document nothing is there, which compares as less than any number. */
function hasRoom(increment: Increment): object {
  const { limits, calls, minute, overageTurn } = increment;
  const day =
    overageTurn === null
      ? [{ $lte: ['$calls', limits.apiCallsPerDay - calls] }]
      : [{ $eq: ['$overage.turn', overageTurn] }, { $lte: [overageThen(increment), '$overage.allotted'] }];
  return {
    $and: [
      { $eq: [{ $type: '$claim' }, 'missing'] },
      { $lte: ['$minute.at', minute] },
      { $lte: [callsInMinute(minute), limits.apiCallsPerMinute - calls] },
      ...day,
    ],
  };
}

function chargedFields(increment: Increment): Record<string, unknown> {
  const { calls, charges, minute, hour, instance, batch, overageTurn } = increment;
  const plus = (path: string, add: number) => ({ $add: [{ $ifNull: [`$${path}`, 0] }, add] });
  const fields: Record<string, unknown> = {
    calls: plus('calls', calls),
    minute: { at: minute, calls: { $add: [callsInMinute(minute), calls] } },
    batches: { $mergeObjects: ['$batches', { [instance]: batch }] },
    federationShares: plus('federationShares', 0),
    extractions: plus('extractions', 0),
  };
  const groups = new Map<string, Record<string, unknown>>();
  for (const [path, add] of callPaths(charges, hour)) {
    const [group, name] = path.split('.') as [string, string | undefined];
    if (name === undefined) fields[group] = plus(path, add);
    else groups.set(group, { ...groups.get(group), [name]: plus(path, add) });
  }
  for (const [group, counts] of groups) fields[group] = { $mergeObjects: [`$${group}`, counts] };
  if (overageTurn !== null) {
    fields.overage = { $mergeObjects: ['$overage', { used: overageThen(increment) }] };
  }
  return fields;
}

const callsInMinute = (minute: number) => ({ $cond: [{ $eq: ['$minute.at', minute] }, '$minute.calls', 0] });

/** The document tells how many of the calls are past the quota: other instances charge it too. */
function overageThen({ limits, calls }: Increment): object {
  const past = {
    $max: [0, { $min: [calls, { $subtract: [{ $add: ['$calls', calls] }, limits.apiCallsPerDay] }] }],
  };
  return { $add: ['$overage.used', past] };
}
