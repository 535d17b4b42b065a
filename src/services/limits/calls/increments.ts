import { type Charge } from '@continuum-billing/limits/core';
import { type ConditionalUpdate, changeIf } from '../../infrastructure/conditionalUpdates.js';
import type { CallLimits } from '../../tiers/entitlements.js';
import { encodeEndpoint } from './endpointNames.js';
import { EXTRACTION_ENDPOINT } from './extractions.js';

/** One tenant's calls in one batch. */
export interface Increment {
  /** The usage day's `_id`. */
  id: string;
  limits: CallLimits;
  calls: number;
  charges: readonly Charge[];
  minute: number;
  hour: number;
  /** The server instance and the number of its batch. */
  instance: string;
  batch: number;
  /** The generation in which the day is open for overage; null if none of the calls exceed the quota. */
  overageGeneration: number | null;
  /** The span in which overage is billed. */
  overageSpan: string;
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

/** Builds the statement that charges if, and only if, both windows have room. */
export function chargeStatement(increment: Increment): ConditionalUpdate {
  return {
    q: { _id: increment.id },
    u: changeIf(hasRoom(increment), chargedFields(increment)),
    upsert: true,
  };
}

/** Missing fields, as in a new document, compare as less than null and any number, and add up as 0. */
function hasRoom(increment: Increment): object {
  const { limits, calls, minute, instance, batch, overageGeneration } = increment;
  const day =
    overageGeneration === null
      ? [{ $lte: ['$calls', limits.apiCallsPerDay - calls] }]
      : [
          { $eq: ['$overage.turn', overageGeneration] },
          { $lte: [overageThen(increment), '$overage.allotted'] },
        ];
  return {
    $and: [
      { $lte: ['$claim', null] },
      { $lt: [`$batches.${instance}`, batch] },
      { $lte: ['$minute.at', minute] },
      { $lte: [callsInMinute(minute), limits.apiCallsPerMinute - calls] },
      ...day,
    ],
  };
}

function chargedFields(increment: Increment): Record<string, unknown> {
  const { calls, charges, minute, hour, instance, batch, overageGeneration, overageSpan } = increment;
  const plus = (path: string, add: number) => ({ $sum: [`$${path}`, add] });
  const fields: Record<string, unknown> = {
    calls: plus('calls', calls),
    minute: { at: minute, calls: { $sum: [callsInMinute(minute), calls] } },
    batches: { $mergeObjects: ['$batches', { [instance]: batch }] },
  };
  const groups = new Map<string, Record<string, unknown>>();
  for (const [path, add] of callPaths(charges, hour)) {
    const [group, name] = path.split('.') as [string, string | undefined];
    if (name === undefined) fields[group] = plus(path, add);
    else groups.set(group, { ...groups.get(group), [name]: plus(path, add) });
  }
  for (const [group, counts] of groups) fields[group] = { $mergeObjects: [`$${group}`, counts] };
  if (overageGeneration !== null) {
    const inSpan = { $sum: [`$overage.spans.${overageSpan}`, pastQuota(increment)] };
    const spans = { $mergeObjects: ['$overage.spans', { [overageSpan]: inSpan }] };
    fields.overage = { $mergeObjects: ['$overage', { used: overageThen(increment), spans }] };
  }
  return fields;
}

const callsInMinute = (minute: number) => ({ $cond: [{ $eq: ['$minute.at', minute] }, '$minute.calls', 0] });

/** Computed from the document, since other instances charge it too. */
const pastQuota = ({ limits, calls }: Increment): object => ({
  $max: [0, { $min: [calls, { $subtract: [{ $add: ['$calls', calls] }, limits.apiCallsPerDay] }] }],
});

const overageThen = (increment: Increment): object => ({ $add: ['$overage.used', pastQuota(increment)] });
