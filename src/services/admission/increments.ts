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
 * The statement that charges if, and only if, both windows have room. Three forms, since a plain `$inc` is several
 * times cheaper for the server than a pipeline, but can neither make a document nor begin a minute nor tell the calls
 * that are past the quota.
 * @param begun whether the day's document is known to have begun this minute
 */
export function incrementStatement(
  increment: Increment,
  begun: boolean,
): mongo.AnyBulkWriteOperation<UsageDayDoc> {
  if (increment.overageTurn !== null) return { updateOne: overageIncrement(increment) };
  return { updateOne: begun ? plainIncrement(increment) : beginningIncrement(increment) };
}

function plainIncrement({ id, limits, calls, charges, minute, hour, instance, batch }: Increment) {
  return {
    filter: {
      _id: id,
      claim: { $exists: false },
      calls: { $lte: limits.apiCallsPerDay - calls },
      'minute.at': minute,
      'minute.calls': { $lte: limits.apiCallsPerMinute - calls },
    },
    update: {
      $inc: { calls, 'minute.calls': calls, ...Object.fromEntries(callPaths(charges, hour)) },
      $set: { [`batches.${instance}`]: batch },
    },
  };
}

function beginningIncrement(increment: Increment) {
  const { id, limits, calls } = increment;
  return {
    filter: {
      _id: id,
      claim: { $exists: false },
      calls: { $lte: limits.apiCallsPerDay - calls },
      $or: minuteHasRoom(increment),
    },
    update: [{ $set: addition(increment) }],
    // A document that exists but has no room answers with a duplicate key: that means refused.
    upsert: true,
  };
}

/** The document tells how many of the calls are past the quota: other instances charge it too. */
function overageIncrement(increment: Increment) {
  const { id, limits, calls, overageTurn } = increment;
  const past = {
    $max: [0, { $min: [calls, { $subtract: [{ $add: ['$calls', calls] }, limits.apiCallsPerDay] }] }],
  };
  const used = { $add: ['$overage.used', past] };
  return {
    filter: {
      _id: id,
      claim: { $exists: false },
      'overage.turn': overageTurn,
      $or: minuteHasRoom(increment),
      $expr: { $lte: [used, '$overage.allotted'] },
    },
    update: [{ $set: { ...addition(increment), 'overage.used': used } }],
  };
}

const minuteHasRoom = ({ minute, calls, limits }: Increment) => [
  { 'minute.at': { $lt: minute } },
  { 'minute.at': minute, 'minute.calls': { $lte: limits.apiCallsPerMinute - calls } },
];

/** What a pipeline sets. */
function addition({ calls, charges, minute, hour, instance, batch }: Increment) {
  const plus = (path: string, add: number) => ({ $add: [{ $ifNull: [`$${path}`, 0] }, add] });
  const paths = [...callPaths(charges, hour)].map(([path, add]) => [path, plus(path, add)]);
  return {
    calls: plus('calls', calls),
    minute: {
      at: minute,
      calls: { $add: [{ $cond: [{ $eq: ['$minute.at', minute] }, '$minute.calls', 0] }, calls] },
    },
    federationShares: { $ifNull: ['$federationShares', 0] },
    extractions: { $ifNull: ['$extractions', 0] },
    ...Object.fromEntries(paths),
    [`batches.${instance}`]: batch,
  };
}
