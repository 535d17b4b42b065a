import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { ErrorCode, serviceUnavailable } from '../../src/common/errors.js';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import type { RequestLease } from '../../src/services/idempotency/idempotencyKeys.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';
import { createAdmission, type RunningAdmission } from '../../src/services/limits/ledger/createAdmission.js';
import { createStorage, type Storage } from '../../src/services/limits/storage/storage.js';
import { memoryDocument } from '../../src/services/memories/memories.js';
import { createMemoryWriter, type MemoryWriter } from '../../src/services/memories/memoryWriter.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';
import { reserveStorage } from '../support/ledger.js';

const LIMITS = { maxMemories: 1_000, maxEmbeddings: 1_000, maxStorageBytes: 1_000_000 };
const log = pino({ level: 'silent' });
const clock = createFakeClock('2026-11-27T12:00:00Z');

let database: TestDatabase;
let models: Models;
let storage: Storage;
let admission: RunningAdmission;
let writer: MemoryWriter;
const complete = vi.fn(async (_lease: RequestLease) => undefined);
let transactions: ReturnType<typeof vi.spyOn>;
let tenants = 0;

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
  storage = createStorage({ models, clock });
  admission = createAdmission({ models, clock, log, metrics: noMetrics });
  writer = createMemoryWriter({
    models,
    storage,
    alone: admission.alone,
    idempotencyKeys: { complete, completed: () => undefined },
    stored: () => undefined,
  });
});
afterAll(() => database.dropAndClose());
beforeEach(() => {
  complete.mockReset().mockResolvedValue(undefined);
  transactions?.mockRestore();
  transactions = vi.spyOn(models.connection, 'transaction');
});

const newTenant = () => `ten_writer${++tenants}`;

async function newMemory(tenantId: string, embedding: number[] | null = null, leaseId: string | null = null) {
  const doc = memoryDocument(tenantId, { content: 'some text', embedding }, new Date(clock.now()));
  const amounts = { memories: 1, embeddings: embedding ? 1 : 0, bytes: doc.bytes };
  const decision = await reserveStorage(admission, tenantId, LIMITS, amounts);
  if (!decision.granted) throw new Error('no room');
  const lease = leaseId === null ? null : ({ id: leaseId } as RequestLease);
  return {
    tenantId,
    docs: [doc],
    reservationId: decision.id,
    dimensions: embedding?.length ?? null,
    keyed: lease && { lease, answer: {} },
  };
}

/** What is stored, what the account says of it, and what is still reserved. */
async function stateOf(tenantId: string) {
  const ledger = await models.ledgers.findById(tenantId).lean();
  const [stored] = await storage.stored([tenantId]);
  const documents = await models.memories.countDocuments({ tenantId });
  return { documents, counted: stored?.memories, reserved: ledger?.reservations?.length };
}

it('stores what many operations ask for at once in few transactions', async () => {
  const tenantId = newTenant();
  const memories = await Promise.all(Array.from({ length: 200 }, () => newMemory(tenantId)));
  await Promise.all(memories.map((each) => writer.write(each)));
  expect(await stateOf(tenantId)).toEqual({ documents: 200, counted: 200, reserved: 0 });
  expect(transactions.mock.calls.length).toBeLessThanOrEqual(3);
});

it('fails one operation whose embedding has another length, and stores those beside it', async () => {
  const tenantId = newTenant();
  const lengths = [2, 2, 3, 2];
  const memories = await Promise.all(lengths.map((length) => newMemory(tenantId, Array(length).fill(1))));
  await writer.write(memories[0] as never);
  const outcomes = await Promise.allSettled(memories.slice(1).map((each) => writer.write(each)));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(outcomes[1]).toMatchObject({ reason: { code: ErrorCode.BAD_USER_INPUT } });
  expect(await stateOf(tenantId)).toEqual({ documents: 3, counted: 3, reserved: 1 });
});

it('fails one operation that lost its reservation or its idempotency key, and stores those beside it', async () => {
  const tenantId = newTenant();
  const other = newTenant();
  const memories = await Promise.all([
    newMemory(tenantId),
    newMemory(tenantId),
    newMemory(other, null, 'lost'),
    newMemory(other, null, 'kept'),
  ]);
  await storage.release(tenantId, memories[1].reservationId);
  complete.mockImplementation(async (lease) => {
    if (lease.id === 'lost') throw serviceUnavailable('another attempt has taken over');
    return undefined;
  });
  const outcomes = await Promise.allSettled(memories.map((each) => writer.write(each)));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
  expect(outcomes[1]).toMatchObject({ reason: { code: ErrorCode.SERVICE_UNAVAILABLE } });
  expect(await stateOf(tenantId)).toEqual({ documents: 1, counted: 1, reserved: 0 });
  expect(await stateOf(other)).toEqual({ documents: 1, counted: 1, reserved: 1 });
});

it('answers what a transaction stored although its answer was lost', async () => {
  const tenantId = newTenant();
  const memories = await Promise.all([newMemory(tenantId), newMemory(tenantId)]);
  const { connection } = models;
  transactions.mockImplementationOnce((async (work: never) => {
    await Object.getPrototypeOf(connection).transaction.call(connection, work);
    return Object.getPrototypeOf(connection).transaction.call(connection, work);
  }) as never);
  await Promise.all(memories.map((each) => writer.write(each)));
  expect(await stateOf(tenantId)).toEqual({ documents: 2, counted: 2, reserved: 0 });
});

it('stores what is too large for one transaction in several', async () => {
  const tenantId = newTenant();
  const large = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const memory = await newMemory(tenantId);
      return { ...memory, docs: memory.docs.map((doc) => ({ ...doc, bytes: 3_000_000 })) };
    }),
  );
  await Promise.all(large.map((each) => writer.write(each)));
  expect(await stateOf(tenantId)).toMatchObject({ documents: 3, reserved: 0 });
  expect(transactions.mock.calls.length).toBe(3);
});

it('reserves exactly what fits when two instances ask at once, while others store', async () => {
  const tenantId = newTenant();
  const instances = [admission, createAdmission({ models, clock, log, metrics: noMetrics })];
  const limits = { ...LIMITS, maxMemories: 50 };
  const before = await Promise.all(Array.from({ length: 20 }, () => newMemory(tenantId)));
  const asked = Array.from({ length: 80 }, (_, i) =>
    reserveStorage(instances[i % 2] as RunningAdmission, tenantId, limits, {
      memories: 1,
      embeddings: 0,
      bytes: 1,
    }),
  );
  const [decisions] = await Promise.all([
    Promise.all(asked),
    Promise.all(before.map((each) => writer.write(each))),
  ]);
  expect(decisions.filter(({ granted }) => granted)).toHaveLength(30);
  expect(await stateOf(tenantId)).toEqual({ documents: 20, counted: 20, reserved: 30 });
});
