import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';
import type { Admission, StorageLimits } from '../../src/services/limits/ledger/admission.js';
import { createAdmission } from '../../src/services/limits/ledger/createAdmission.js';
import { createStorage, type Storage } from '../../src/services/limits/storage/storage.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock, type FakeClock } from '../support/fakeClock.js';
import { reserveStorage } from '../support/ledger.js';

/** Names that mean something to mongoose or to its documents. */
const ODD = ['errors', 'schema', 'options', 'collection', 'isNew', 'get', 'length', 'name'];
const LATER_MS = 180_000;

let database: TestDatabase;
let models: Models;
let clock: FakeClock;
let storage: Storage;
let admission: Admission;
let tenants = 0;

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
  clock = createFakeClock('2026-11-22T12:00:00Z');
  admission = createAdmission({ models, clock, log: pino({ level: 'silent' }), metrics: noMetrics });
  storage = createStorage({ models, clock, resources: ['lamps', ...ODD] });
});
afterAll(() => database.dropAndClose());

const newTenant = () => `ten_${++tenants}`;
const limitsOf = (stored: Record<string, number>): StorageLimits => ({
  maxMemories: 10,
  maxEmbeddings: 10,
  maxStorageBytes: 1_000,
  stored,
});

async function reserved(tenant: string, amounts: Record<string, number>, external = false): Promise<string> {
  const decision = await reserveStorage(admission, tenant, limitsOf({ lamps: 5 }), amounts, external);
  if (!decision.granted) throw new Error(`no room for ${decision.resource}`);
  return decision.id;
}
const lampsOf = async (tenant: string) => (await storage.stored([tenant]))[0]?.lamps;

describe('any resource of a catalogue', () => {
  it.each(ODD)('is counted and limited exactly, also one that is named %s', async (resource) => {
    const tenant = newTenant();
    const limits = limitsOf({ [resource]: 2 });
    const decisions = await Promise.all(
      Array.from({ length: 5 }, () => reserveStorage(admission, tenant, limits, { [resource]: 1 })),
    );
    const granted = decisions.filter((decision) => decision.granted);
    expect(granted).toHaveLength(2);
    for (const { id } of granted) await storage.commitExternal(tenant, id);
    expect((await storage.stored([tenant]))[0]).toMatchObject({ [resource]: 2 });
    await storage.freeExternal(tenant, { [resource]: 1 });
    expect((await storage.stored([tenant]))[0]).toMatchObject({ [resource]: 1 });
  });

  it.each(['constructor', 'toString', '__proto__'])('without a limit has no room: %s', async (resource) => {
    const amounts = Object.fromEntries([[resource, 1]]);
    expect(await reserveStorage(admission, newTenant(), limitsOf({}), amounts)).toMatchObject({
      granted: false,
      limit: 0,
    });
  });
});

describe('what another service holds', () => {
  it('is kept once, however often that is said', async () => {
    const tenant = newTenant();
    const reservation = await reserved(tenant, { lamps: 2 }, true);
    await Promise.all([
      storage.commitExternal(tenant, reservation),
      storage.commitExternal(tenant, reservation),
    ]);
    await storage.commitExternal(tenant, reservation);
    await storage.release(tenant, reservation);
    expect(await lampsOf(tenant)).toBe(2);
  });

  it('is released once, however often release is called', async () => {
    const tenant = newTenant();
    await storage.commitExternal(tenant, await reserved(tenant, { lamps: 1 }, true));
    const reservation = await reserved(tenant, { lamps: 2 }, true);
    await Promise.all([storage.release(tenant, reservation), storage.release(tenant, reservation)]);
    await storage.commitExternal(tenant, reservation);
    expect(await lampsOf(tenant)).toBe(1);
    await storage.release(tenant, await reserved(tenant, { lamps: 4 }));
  });

  it('counts as stored when nobody reports its end; a reservation of our own is released', async () => {
    const tenant = newTenant();
    await reserved(tenant, { lamps: 2 }, true);
    await reserved(tenant, { lamps: 3 });
    expect(await lampsOf(tenant)).toBe(0);
    clock.advance(LATER_MS);
    expect(await storage.sweep()).toBe(2);
    expect(await lampsOf(tenant)).toBe(2);
    await reserved(tenant, { lamps: 3 });
  });
});

describe('what another service says', () => {
  it('is set beside a reservation, which is committed later', async () => {
    const tenant = newTenant();
    const reservation = await reserved(tenant, { lamps: 2 }, true);
    await storage.setExternal(tenant, 'lamps', 1);
    expect(await lampsOf(tenant)).toBe(1);
    await storage.commitExternal(tenant, reservation);
    expect(await lampsOf(tenant)).toBe(3);
  });

  it('may be more than the limit: then there is no room until there is less', async () => {
    const tenant = newTenant();
    await storage.setExternal(tenant, 'lamps', 9);
    const asked = () => reserveStorage(admission, tenant, limitsOf({ lamps: 5 }), { lamps: 1 });
    expect(await asked()).toEqual({ granted: false, resource: 'lamps', limit: 5, usage: 9 });
    await storage.setExternal(tenant, 'lamps', 4);
    expect((await asked()).granted).toBe(true);
  });

  it('of bytes changes those of services alone: what memories occupy stays as it is', async () => {
    const tenant = newTenant();
    const bytesOf = async () => (await storage.stored([tenant]))[0]?.bytes;
    const room = { ...limitsOf({ lamps: 100 }), maxStorageBytes: 1_000 };
    const reserve = async (amounts: Record<string, number>, external: boolean) => {
      const decision = await reserveStorage(admission, tenant, room, amounts, external);
      if (!decision.granted) throw new Error('no room');
      return decision.id;
    };
    const memory = await reserve({ memories: 1, embeddings: 0, bytes: 100 }, false);
    await models.connection.transaction((session) =>
      storage.commit([{ tenantId: tenant, reservationId: memory, dimensions: null }], session),
    );
    await storage.freeExternal(tenant, { bytes: 1_000 });
    expect(await bytesOf()).toBe(100);
    await storage.commitExternal(tenant, await reserve({ lamps: 1, bytes: 50 }, true));
    await storage.freeExternal(tenant, { bytes: 20 });
    expect(await bytesOf()).toBe(130);
    const later = await reserve({ lamps: 1, bytes: 7 }, true);
    await storage.setExternal(tenant, 'bytes', 0);
    expect(await bytesOf()).toBe(100);
    await storage.setExternal(tenant, 'bytes', 300);
    expect(await bytesOf()).toBe(400);
    await storage.commitExternal(tenant, later);
    expect(await bytesOf()).toBe(407);
    await storage.freeExternal(tenant, { bytes: 1_000_000 });
    expect(await bytesOf()).toBe(100);
  });

  it('frees no more than is stored, and nothing that is reserved', async () => {
    const tenant = newTenant();
    await storage.setExternal(tenant, 'lamps', 1);
    const reservation = await reserved(tenant, { lamps: 2 }, true);
    await storage.freeExternal(tenant, { lamps: 50 });
    expect(await lampsOf(tenant)).toBe(0);
    await storage.commitExternal(tenant, reservation);
    expect(await lampsOf(tenant)).toBe(2);
  });
});
