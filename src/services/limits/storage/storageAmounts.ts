import type { StorageAmounts } from '@continuum-billing/limits/core';
import type { LedgerDoc } from '../../../models/ledger.js';
import { STORED_LIMITS } from '../../../models/tierLimits.js';
import type { StorageLimits } from '../ledger/admission.js';

/** The amount of one resource; names come from a catalogue, and may be those of an object's own properties. */
export const amountOf = (amounts: Readonly<Record<string, number>> | undefined, resource: string): number =>
  amounts && Object.hasOwn(amounts, resource) ? (amounts[resource] as number) : 0;

/** What is stored of these resources: the levels less what is reserved. */
export const storedOf = (
  ledger: Pick<LedgerDoc, 'levels' | 'reservations'> | undefined | null,
  resources: readonly string[],
): StorageAmounts =>
  Object.fromEntries(
    resources.map((resource) => {
      const reserved = ledger?.reservations?.reduce(
        (sum, { amounts }) => sum + amountOf(amounts, resource),
        0,
      );
      return [resource, amountOf(ledger?.levels, resource) - (reserved ?? 0)];
    }),
  );

/** Only a resource that is asked for can be short: after a downgrade, only writes to a resource that is over its limit are rejected. */
export const askedOf = (amounts: StorageAmounts) =>
  Object.entries(amounts).filter(([, amount]) => amount > 0) as [string, number][];

export function sumOf(all: readonly StorageAmounts[]): StorageAmounts {
  const sums = new Map<string, number>();
  for (const amounts of all)
    for (const [resource, amount] of Object.entries(amounts))
      sums.set(resource, (sums.get(resource) ?? 0) + amount);
  return Object.fromEntries(sums);
}

const isOwn = (resource: string): resource is keyof typeof STORED_LIMITS =>
  Object.hasOwn(STORED_LIMITS, resource);

export function limitOf(limits: StorageLimits, resource: string): number {
  return isOwn(resource) ? limits[STORED_LIMITS[resource]] : amountOf(limits.stored, resource);
}
