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
 * The statement that charges if, and only if, both windows have room. Two forms, since a plain `$inc` is several
 * times cheaper for the server than a pipeline, but can neither make a document nor begin a minute.
 * @param begun whether the day's document is known to have begun this minute
 */
export function incrementStatement(
  increment: Increment,
  begun: boolean,
): mongo.AnyBulkWriteOperation<UsageDayDoc> {
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

function beginningIncrement({ id, limits, calls, charges, minute, hour, instance, batch }: Increment) {
  const plus = (path: string, add: number) => ({ $add: [{ $ifNull: [`$${path}`, 0] }, add] });
  const paths = [...callPaths(charges, hour)].map(([path, add]) => [path, plus(path, add)]);
  return {
    filter: {
      _id: id,
      claim: { $exists: false },
      calls: { $lte: limits.apiCallsPerDay - calls },
      $or: [
        { 'minute.at': { $lt: minute } },
        { 'minute.at': minute, 'minute.calls': { $lte: limits.apiCallsPerMinute - calls } },
      ],
    },
    update: [
      {
        $set: {
          calls: plus('calls', calls),
          minute: {
            at: minute,
            calls: { $add: [{ $cond: [{ $eq: ['$minute.at', minute] }, '$minute.calls', 0] }, calls] },
          },
          federationShares: { $ifNull: ['$federationShares', 0] },
          extractions: { $ifNull: ['$extractions', 0] },
          ...Object.fromEntries(paths),
          [`batches.${instance}`]: batch,
        },
      },
    ],
    // A document that exists but has no room answers with a duplicate key: that means refused.
    upsert: true,
  };
}
