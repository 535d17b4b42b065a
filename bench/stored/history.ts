import type { Model } from 'mongoose';
import type { Models } from '../../src/models/models.js';
import type { TenantDoc } from '../../src/models/tenant.js';
import type { UsageDayDoc } from '../../src/models/usageDay.js';
import { encodeEndpoint } from '../../src/services/limits/ledger/endpointNames.js';
import { dayOf, usageDayId } from '../../src/services/limits/ledger/windows.js';
import type { Progress } from '../progress.js';
import { BUSY_EVERY, tenantId } from './tenants.js';

const CHUNK = 5_000;
const TOLD_EVERY = 20 * CHUNK;
const DAY_MS = 86_400_000;
const ENDPOINTS = ['memory', 'memories', 'storeMemory', 'searchMemories'];

/** Tenants that do nothing, between those that are busy, as in a database that has grown. */
export async function storeQuietTenants(
  { tenants }: Models,
  count: number,
  progress: Progress,
): Promise<void> {
  const createdAt = new Date();
  const docs = function* (): Generator<TenantDoc> {
    for (let n = 0, made = 0; made < count; n++) {
      if (n % BUSY_EVERY === 0) continue;
      made++;
      const name = `quiet tenant ${n}`;
      yield {
        _id: tenantId(n),
        name,
        email: `${n}@tenant.example`,
        contract: { tier: null, limits: {} },
        createdAt,
      };
    }
  };
  await insertAll(tenants, docs(), count, (stored) => progress(`${stored} of ${count} quiet tenants`));
}

/** The usage days of so many days up to yesterday. */
export async function storeHistory(
  { usageDays }: Models,
  tenantIds: readonly string[],
  days: number,
  progress: Progress,
): Promise<void> {
  const count = tenantIds.length * days;
  const todayMs = Date.now();
  const docs = function* (): Generator<UsageDayDoc> {
    for (const id of tenantIds) {
      for (let ago = days; ago >= 1; ago--) yield usageDay(id, todayMs - ago * DAY_MS);
    }
  };
  await insertAll(usageDays, docs(), count, (stored) => progress(`${stored} of ${count} usage days`));
}

function usageDay(tenant: string, atMs: number): UsageDayDoc {
  const perHour = 40;
  const hours = Object.fromEntries(Array.from({ length: 24 }, (_, hour) => [hour, perHour]));
  const perEndpoint = (24 * perHour) / ENDPOINTS.length;
  return {
    _id: usageDayId(tenant, dayOf(atMs)),
    calls: 24 * perHour,
    endpoints: Object.fromEntries(ENDPOINTS.map((name) => [encodeEndpoint(name), perEndpoint])),
    hours,
    sealed: true,
  };
}

/** Without a wait for the disk at each step. */
async function insertAll<T>(
  model: Model<T>,
  docs: Iterable<T>,
  count: number,
  told: (stored: number) => void,
): Promise<void> {
  let chunk: T[] = [];
  let stored = 0;
  const insert = async () => {
    if (chunk.length === 0) return;
    await model.collection.insertMany(chunk as never[], { ordered: false, writeConcern: { w: 1, j: false } });
    stored += chunk.length;
    chunk = [];
    if (stored % TOLD_EVERY === 0 || stored === count) told(stored);
  };
  for (const doc of docs) {
    chunk.push(doc);
    if (chunk.length === CHUNK) await insert();
  }
  await insert();
}
