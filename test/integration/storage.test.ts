import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import {
  createStorage,
  type Storage,
  type StorageLimits,
} from '../../src/services/limits/storage/storage.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock, type FakeClock } from '../support/fakeClock.js';

/** Names that mean something to mongoose or to its documents. */
const ODD = ['errors', 'schema', 'options', 'collection', 'isNew', 'get', 'length', 'name'];
const LATER_MS = 180_000;

let database: TestDatabase;
let models: Models;
let clock: FakeClock;
let storage: Storage;
let tenants = 0;

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
  clock = createFakeClock('2026-11-22T12:00:00Z');
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

async function held(tenant: string, amounts: Record<string, number>, elsewhere = false): Promise<string> {
  const decision = await storage.hold(tenant, limitsOf({ lamps: 5 }), amounts, elsewhere);
  if (!decision.granted) throw new Error(`no room for ${decision.resource}`);
  return decision.hold.id;
}
const lampsOf = async (tenant: string) => (await storage.stored([tenant]))[0]?.lamps;

describe('any resource of a catalogue', () => {
  it.each(ODD)('is counted and limited exactly, also one that is named %s', async (resource) => {
    const tenant = newTenant();
    const limits = limitsOf({ [resource]: 2 });
    const decisions = await Promise.all(
      Array.from({ length: 5 }, () => storage.hold(tenant, limits, { [resource]: 1 })),
    );
    const granted = decisions.filter((decision) => decision.granted);
    expect(granted).toHaveLength(2);
    for (const { hold } of granted) await storage.keep(tenant, hold.id);
    expect((await storage.stored([tenant]))[0]).toMatchObject({ [resource]: 2 });
    await storage.freeExternal(tenant, { [resource]: 1 });
    expect((await storage.stored([tenant]))[0]).toMatchObject({ [resource]: 1 });
  });

  it.each(['constructor', 'toString', '__proto__'])('without a limit has no room: %s', async (resource) => {
    const amounts = Object.fromEntries([[resource, 1]]);
    expect(await storage.hold(newTenant(), limitsOf({}), amounts)).toMatchObject({
      granted: false,
      limit: 0,
    });
  });
});

describe('what another service holds', () => {
  it('is kept once, however often that is said', async () => {
    const tenant = newTenant();
    const hold = await held(tenant, { lamps: 2 }, true);
    await Promise.all([storage.keep(tenant, hold), storage.keep(tenant, hold)]);
    await storage.keep(tenant, hold);
    await storage.release(tenant, hold);
    expect(await lampsOf(tenant)).toBe(2);
  });

  it('is given back once, however often that is said', async () => {
    const tenant = newTenant();
    await storage.keep(tenant, await held(tenant, { lamps: 1 }, true));
    const hold = await held(tenant, { lamps: 2 }, true);
    await Promise.all([storage.release(tenant, hold), storage.release(tenant, hold)]);
    await storage.keep(tenant, hold);
    expect(await lampsOf(tenant)).toBe(1);
    await storage.release(tenant, await held(tenant, { lamps: 4 }));
  });

  it('counts as stored when nobody says how it ended; what we hold ourselves is given back', async () => {
    const tenant = newTenant();
    await held(tenant, { lamps: 2 }, true);
    await held(tenant, { lamps: 3 });
    expect(await lampsOf(tenant)).toBe(0);
    clock.advance(LATER_MS);
    expect(await storage.sweep()).toBe(2);
    expect(await lampsOf(tenant)).toBe(2);
    await held(tenant, { lamps: 3 });
  });
});

describe('what another service says', () => {
  it('is stored beside what is held, which is settled later', async () => {
    const tenant = newTenant();
    const hold = await held(tenant, { lamps: 2 }, true);
    await storage.setExternal(tenant, 'lamps', 1);
    expect(await lampsOf(tenant)).toBe(1);
    await storage.keep(tenant, hold);
    expect(await lampsOf(tenant)).toBe(3);
  });

  it('may be more than the limit: then there is no room until there is less', async () => {
    const tenant = newTenant();
    await storage.setExternal(tenant, 'lamps', 9);
    const asked = () => storage.hold(tenant, limitsOf({ lamps: 5 }), { lamps: 1 });
    expect(await asked()).toEqual({ granted: false, resource: 'lamps', limit: 5, usage: 9 });
    await storage.setExternal(tenant, 'lamps', 4);
    expect((await asked()).granted).toBe(true);
  });

  it('of bytes changes those of services alone: what memories occupy stays as it is', async () => {
    const tenant = newTenant();
    const bytesOf = async () => (await storage.stored([tenant]))[0]?.bytes;
    const room = { ...limitsOf({ lamps: 100 }), maxStorageBytes: 1_000 };
    const hold = async (amounts: Record<string, number>, elsewhere: boolean) => {
      const decision = await storage.hold(tenant, room, amounts, elsewhere);
      if (!decision.granted) throw new Error('no room');
      return decision.hold.id;
    };
    const memory = await hold({ memories: 1, embeddings: 0, bytes: 100 }, false);
    await models.connection.transaction((session) => storage.settle(tenant, memory, null, session));
    await storage.freeExternal(tenant, { bytes: 1_000 });
    expect(await bytesOf()).toBe(100);
    await storage.keep(tenant, await hold({ lamps: 1, bytes: 50 }, true));
    await storage.freeExternal(tenant, { bytes: 20 });
    expect(await bytesOf()).toBe(130);
    const later = await hold({ lamps: 1, bytes: 7 }, true);
    await storage.setExternal(tenant, 'bytes', 0);
    expect(await bytesOf()).toBe(100);
    await storage.setExternal(tenant, 'bytes', 300);
    expect(await bytesOf()).toBe(400);
    await storage.keep(tenant, later);
    expect(await bytesOf()).toBe(407);
    await storage.freeExternal(tenant, { bytes: 1_000_000 });
    expect(await bytesOf()).toBe(100);
  });

  it('frees no more than is stored, and nothing that is held', async () => {
    const tenant = newTenant();
    await storage.setExternal(tenant, 'lamps', 1);
    const hold = await held(tenant, { lamps: 2 }, true);
    await storage.freeExternal(tenant, { lamps: 50 });
    expect(await lampsOf(tenant)).toBe(0);
    await storage.keep(tenant, hold);
    expect(await lampsOf(tenant)).toBe(2);
  });
});
