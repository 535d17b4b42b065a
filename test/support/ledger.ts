import { randomUUID } from 'node:crypto';
import type { Connection } from 'mongoose';
import type { LedgerDoc } from '../../src/models/ledger.js';
import type { Models } from '../../src/models/models.js';
import type { UsageDayDoc } from '../../src/models/usageDay.js';
import type { Admission, StorageLimits, TakenLimits } from '../../src/services/limits/ledger/admission.js';
import { createUsageDays, daysOf, onlyDay } from '../../src/services/limits/ledger/usageDays.js';
import type { CallLimits } from '../../src/services/tiers/entitlements.js';

const NO_STORAGE: StorageLimits = { maxMemories: 0, maxEmbeddings: 0, maxStorageBytes: 0 };
const NO_CALLS: CallLimits = { apiCallsPerDay: 0, apiCallsPerMinute: 0, overageCallsPerMonth: 0 };

/** The limits of operations that only call. */
export const limitsOfCalls = (calls: CallLimits): TakenLimits => ({ calls, storage: NO_STORAGE });

const FIELDS = [
  'calls',
  'endpoints',
  'hours',
  'extractions',
  'federationShares',
  'overage',
  'marks',
  'recordedEvents',
] as const;

/** A tenant's day as readers see it, in its ledger or in the history. @param id `<tenant>:<YYYY-MM-DD>` */
export const usageDayOf = async (models: Models, id: string): Promise<UsageDayDoc | undefined> =>
  (await createUsageDays({ models }).read([onlyDay(id)], FIELDS))[0];

/** What an operation that stores reserves. @returns the id of the reservation, or what has no room */
export async function reserveStorage(
  admission: Admission,
  tenantId: string,
  storage: StorageLimits,
  amounts: Record<string, number>,
  external = false,
): Promise<
  { granted: true; id: string } | { granted: false; resource: string; limit: number; usage: number }
> {
  const id = randomUUID();
  const taken = { charges: [], reserved: [{ id, amounts, external }] };
  const decision = await admission.admit(tenantId, { calls: NO_CALLS, storage }, taken);
  if (decision.admitted) return { granted: true, id };
  if (!('storage' in decision)) throw new Error(`The ${decision.window} is full`);
  const { resource, limit, usage } = decision.storage;
  return { granted: false, resource, limit, usage };
}

/** The days of a tenant, or of all, in the history and in ledgers. */
export async function storedDays(connection: Connection, tenantId?: string): Promise<UsageDayDoc[]> {
  const ledgers = await connection
    .collection<LedgerDoc>('ledgers')
    .find(tenantId === undefined ? {} : { _id: tenantId })
    .toArray();
  const history = await connection
    .collection<UsageDayDoc>('usage_days')
    .find(tenantId === undefined ? {} : { _id: { $gt: `${tenantId}:`, $lt: `${tenantId};` } })
    .toArray();
  const days = new Map(ledgers.flatMap(daysOf).map((day) => [day._id, day]));
  for (const day of history) days.set(day._id, day);
  return [...days.values()];
}

export const callsIn = (days: readonly UsageDayDoc[]): number =>
  days.reduce((sum, { calls }) => sum + calls, 0);
