import DataLoader from 'dataloader';
import type { MemoryDoc } from '../../models/memory.js';
import type { Models } from '../../models/models.js';
import { createGate } from '../infrastructure/gate.js';
import type { ReadBudget } from '../infrastructure/responseBudget.js';
import { sizeOfPacked } from './embedding.js';

/** Fields of a memory that may be large. */
export const LARGE_FIELDS = ['content', 'embedding', 'metadata'] as const;
export type LargeField = (typeof LARGE_FIELDS)[number];

/** A memory as it was read: a large field that nobody wants is missing. */
export type ReadMemory = Omit<MemoryDoc, LargeField> & Partial<Pick<MemoryDoc, LargeField>>;

/** What is wanted of memories, and what it may take. */
export interface MemoryReading {
  fields: readonly LargeField[];
  budget: ReadBudget;
}

/** Memories up to this size are read at once, the others in a second step: a page of them is never read whole. */
const SMALL_BYTES = 32_768;
/** Of larger memories, by one query. */
const CHUNK_BYTES = 1_048_576;
/** By all operations of this process at once. */
const READING_BYTES = 25_165_824;
/** By those of one tenant: others need not wait for them. */
const READING_BYTES_EACH = 4_194_304;
const MAX_READ_BATCH = 100;
/** Whose turn it is when several tenants share a read. */
const SHARED = 'shared';
const SMALL_FIELDS = { tenantId: 1, bytes: 1, sharedAt: 1, createdAt: 1 };

/** Reads memories so that neither one operation nor all of them together hold more than a bound. */
export interface BoundedReads {
  /** Shares a read with other operations. */
  one(key: string, reading: MemoryReading): Promise<ReadMemory | null>;
  /**
   * The first step of a list.
   * @param count how many it finds at most
   * @param find with the projection that is given
   */
  find<T extends ReadMemory>(
    tenantId: string,
    reading: MemoryReading,
    count: number,
    find: (projection: Record<string, unknown>) => Promise<T[]>,
  ): Promise<T[]>;
  /** The second step: adds what was left out of larger memories. */
  complete<T extends ReadMemory>(docs: T[], reading: MemoryReading): Promise<T[]>;
}

export function createBoundedReads({ models }: { models: Models }): BoundedReads {
  const gate = createGate({ maxUnits: READING_BYTES, maxUnitsEach: READING_BYTES_EACH });

  // Operations that were admitted in one batch read in one batch; nothing is cached.
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
        // Others may have used the budget up meanwhile.
        budget.read(0);
        const found = await models.memories.find({ _id: { $in: ids } }, projection).lean<ReadMemory[]>();
        for (const doc of found) {
          budget.read(bytesOf(doc, fields));
          large.set(doc._id, doc);
        }
      });
    }
    if (large.size === 0) return docs;
    // One that was deleted in between is left out, as if it had been before.
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
