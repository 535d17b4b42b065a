import type { TierLimits } from '../models/tierLimits.js';
import { unlimitedOf } from './unlimited.js';

/** Limits of the tier that may be for each seat, in addition to those of the catalogue's resources. */
export const SEAT_LIMITS: readonly string[] = [
  'apiCallsPerMinute',
  'concurrentRequests',
  'maxExtractionBatchSize',
  'apiCallsPerDay',
  'maxMemories',
  'maxEmbeddings',
  'maxStorageBytes',
];

/** @returns the limits of a tier with so many seats */
export function limitsFor(
  { limits, limitsPerSeat }: { limits: TierLimits; limitsPerSeat: readonly string[] },
  seats: number,
): TierLimits {
  if (limitsPerSeat.length === 0 || seats === 1) return limits;
  const scaled = <T extends object>(part: T): T =>
    Object.fromEntries(
      Object.entries(part).map(([name, limit]) => [
        name,
        typeof limit === 'number' && limitsPerSeat.includes(name) ? product(name, limit, seats) : limit,
      ]),
    ) as T;
  return { ...scaled(limits), stored: scaled(limits.stored) };
}

const product = (name: string, limit: number, seats: number): number =>
  Math.min(limit * seats, unlimitedOf(name));
