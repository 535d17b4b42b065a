import type { StorageAmounts } from '@continuum-billing/limits/core';
import type { StorageAccountDoc } from '../../../models/storageAccount.js';

/** The amount of one resource in an account, or in a reservation, as it is stored. */
export function amountOf(stored: object, resource: string): number {
  const amount = (stored as Record<string, unknown>)[resource];
  return typeof amount === 'number' ? amount : 0;
}

/** What is stored of these resources: the totals less what is reserved. */
export const storedOf = (
  account: StorageAccountDoc | undefined | null,
  resources: readonly string[],
): StorageAmounts =>
  Object.fromEntries(
    resources.map((resource) => {
      const reserved = account?.holds.reduce((sum, hold) => sum + amountOf(hold, resource), 0) ?? 0;
      return [resource, account ? amountOf(account, resource) - reserved : 0];
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
