import DataLoader from 'dataloader';
import type { MemoryDoc } from '../../models/memory.js';
import type { Models } from '../../models/models.js';
import { createGate } from '../infrastructure/gate.js';
import type { ReadBudget } from '../infrastructure/responseBudget.js';
import { sizeOfPacked } from './embedding.js';

/** Fields of a memory that may be large. */
export const LARGE_FIELDS = ['content', 'embedding', 'metadata'] as const;
export type LargeField = (typeof LARGE_FIELDS)[number];

/** A memory as read: large fields that were not selected are missing. */
export type ReadMemory = Omit<MemoryDoc, LargeField> & Partial<Pick<MemoryDoc, LargeField>>;

/** Which fields are selected, and the budget for reading them. */
export interface MemoryReading {
  fields: readonly LargeField[];
  budget: ReadBudget;
}

/** Memories up to this size are read in the first step, larger ones in a second, so that a page of large ones is never read whole. */
const SMALL_BYTES = 32_768;
/** Bytes of larger memories read by one query. */
const CHUNK_BYTES = 1_048_576;
/** Bytes that all operations of this process may be reading. */
const READING_BYTES = 25_165_824;
/** Bytes that one tenant's operations may be reading, so that other tenants need not wait for them. */
const READING_BYTES_EACH = 4_194_304;
const MAX_READ_BATCH = 100;
/** The name under which reads shared by several tenants queue at the gate. */
const SHARED = 'shared';
const SMALL_FIELDS = { tenantId: 1, bytes: 1, sharedAt: 1, createdAt: 1 };

/** Reads memories within a bound of memory, for one operation and for all together. */
export interface BoundedReads {
  /** Shares a read with other operations. */
  one(key: string, reading: MemoryReading): Promise<ReadMemory | null>;
  /**
   * The first step of a list.
   * @param count the most that `find` returns
   * @param find reads with the given projection
   */
  find<T extends ReadMemory>(
    tenantId: string,
    reading: MemoryReading,
    count: number,
    find: (projection: Record<string, unknown>) => Promise<T[]>,
  ): Promise<T[]>;
  /** The second step: adds the large fields that the first left out. */
  complete<T extends ReadMemory>(docs: T[], reading: MemoryReading): Promise<T[]>;
}

export function createBoundedReads({ models }: { models: Models }): BoundedReads {
  const gate = createGate({ maxUnits: READING_BYTES, maxUnitsEach: READING_BYTES_EACH });

  // Operations admitted in one batch also read in one batch. Nothing is cached.
  const byKey = new DataLoader(
    async (keys: readonly string[]) => {
      const query = () =>
        models.memories.find({ _id: { $in: keys } }, projectionOf(LARGE_FIELDS)).lean<ReadMemory[]>();
      const found = await gate.run(SHARED, keys.length * SMALL_BYTES, query);
      const docs = new Map(found.map((doc) => [doc._id, doc]));
      return keys.map((key) => docs.get(key) ?? null);
    },
    { cache: false, maxBatchSize: MAX_READ_BATCH },
  );

  async function complete<T extends ReadMemory>(docs: T[], { fields, budget }: MemoryReading): Promise<T[]> {
    for (const doc of docs) if (doc.bytes <= SMALL_BYTES) budget.read(bytesOf(doc, fields));
    if (fields.length === 0) return docs;
    const large = new Map<string, ReadMemory>();
    const projection = Object.fromEntries(fields.map((field) => [field, 1]));
    for (const chunk of chunksOf(docs.filter(({ bytes }) => bytes > SMALL_BYTES))) {
      const ids = chunk.map(({ _id }) => _id);
      await gate.run(docs[0]?.tenantId ?? SHARED, CHUNK_BYTES, async () => {
        // Other fields may have used up the budget meanwhile.
        budget.read(0);
        const found = await models.memories.find({ _id: { $in: ids } }, projection).lean<ReadMemory[]>();
        for (const doc of found) {
          budget.read(bytesOf(doc, fields));
          large.set(doc._id, doc);
        }
      });
    }
    if (large.size === 0) return docs;
    // A memory deleted between the steps is left out, as if it had been deleted before.
    return docs.flatMap((doc) => {
      if (doc.bytes <= SMALL_BYTES) return [doc];
      const rest = large.get(doc._id);
      return rest ? [{ ...doc, ...rest }] : [];
    });
  }

  return {
    async one(key, reading) {
      reading.budget.read(0);
      const doc = await byKey.load(key);
      return doc && ((await complete([doc], reading))[0] ?? null);
    },
    find(tenantId, { fields, budget }, count, find) {
      const bytes = fields.length === 0 ? 0 : count * SMALL_BYTES;
      return gate.run(tenantId, bytes, () => {
        budget.read(0);
        return find(projectionOf(fields));
      });
    },
    complete,
  };
}

const projectionOf = (fields: readonly LargeField[]): Record<string, unknown> => ({
  ...SMALL_FIELDS,
  ...Object.fromEntries(
    fields.map((field) => [field, { $cond: [{ $lte: ['$bytes', SMALL_BYTES] }, `$${field}`, '$$REMOVE'] }]),
  ),
});

function bytesOf(doc: ReadMemory, fields: readonly LargeField[]): number {
  return fields.reduce((sum, field) => {
    const value = doc[field];
    if (value == null) return sum;
    return sum + (typeof value === 'string' ? value.length : sizeOfPacked(value));
  }, 0);
}

function* chunksOf(docs: readonly ReadMemory[]): Generator<ReadMemory[]> {
  let chunk: ReadMemory[] = [];
  let bytes = 0;
  for (const doc of docs) {
    if (chunk.length > 0 && bytes + doc.bytes > CHUNK_BYTES) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(doc);
    bytes += doc.bytes;
  }
  if (chunk.length > 0) yield chunk;
}
