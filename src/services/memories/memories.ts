import { type Storable, type StorageAmounts, sizeOf } from '@continuum-billing/limits/core';
import { type ClientSession, Types } from 'mongoose';
import type { Clock } from '../../common/clock.js';
import { badInput, notFound } from '../../common/errors.js';
import type { MemoryDoc } from '../../models/memory.js';
import type { Models } from '../../models/models.js';
import type { Answer, IdempotencyKeys, RequestLease } from '../idempotency/idempotencyKeys.js';
import { createGate } from '../infrastructure/gate.js';
import type { RunningAdmission } from '../limits/ledger/createAdmission.js';
import type { Storage } from '../limits/storage/storage.js';
import { createBoundedReads, type MemoryReading, type ReadMemory } from './boundedReads.js';
import { cosine, packEmbedding, unpackInto } from './embedding.js';
import { createMemoryWriter } from './memoryWriter.js';

export type { MemoryDoc };

export interface MemoryPage {
  memories: ReadMemory[];
  hasNextPage: boolean;
}

export interface MemoryMatch {
  memory: ReadMemory;
  /** Text: MongoDB's text score. Vector: cosine, -1 to 1. */
  score: number;
}

/**
 * A tenant's memories. Every call names the tenant, and another tenant's memory does not exist to it. Reads throw
 * RESPONSE_TOO_LARGE past their budget.
 */
export interface Memories {
  /**
   * @param reservationId the storage reservation for exactly these memories
   * @param lease the lease of the request's idempotency key, if it has one
   */
  store(
    tenantId: string,
    inputs: readonly Storable[],
    reservationId: string,
    lease?: RequestLease | null,
  ): Promise<MemoryDoc[]>;
  /** The memories that an earlier request stored, from its recorded answer. */
  restore(tenantId: string, inputs: readonly Storable[], answer: Answer): MemoryDoc[];
  find(tenantId: string, id: string, reading: MemoryReading): Promise<ReadMemory | null>;
  /** Oldest first. @param after the id of the last memory seen */
  page(
    tenantId: string,
    query: { first: number; after?: string | null | undefined },
    reading: MemoryReading,
  ): Promise<MemoryPage>;
  /** @returns false when there is no such memory */
  remove(tenantId: string, id: string): Promise<boolean>;
  /** Makes it readable to the federation, and counts the share once. */
  share(tenantId: string, id: string): Promise<MemoryDoc>;
  search(
    tenantId: string,
    wanted: Wanted & { first: number },
    reading: MemoryReading,
  ): Promise<MemoryMatch[]>;
}

/** Bytes compared in one go, during which the server answers nobody. */
const SCAN_BYTES = 1_048_576;
const MAX_SCAN_BATCH = 500;
/** Concurrent batches: one is read while another is compared. */
const SCANS_AT_ONCE = 2;
const MAX_SCAN_PAUSE_MS = 100;

export const memoryIdOf = (doc: Pick<MemoryDoc, '_id' | 'tenantId'>): string =>
  doc._id.slice(doc.tenantId.length + 1);

const keyOf = (tenantId: string, id: string) => `${tenantId}:${id}`;

/** A memory as it is stored. */
export const memoryDocument = (
  tenantId: string,
  input: Storable,
  createdAt: Date,
  id = `mem_${new Types.ObjectId().toHexString()}`,
): MemoryDoc => ({
  _id: keyOf(tenantId, id),
  tenantId,
  content: input.content,
  embedding: input.embedding ? packEmbedding(input.embedding) : null,
  metadata: input.metadata == null ? null : JSON.stringify(input.metadata),
  bytes: sizeOf(input).bytes,
  sharedAt: null,
  createdAt,
});

export function createMemories(deps: {
  models: Models;
  clock: Clock;
  storage: Storage;
  /** Runs transactions that change ledgers. */
  alone: RunningAdmission['alone'];
  idempotencyKeys: Pick<IdempotencyKeys, 'complete' | 'completed'>;
  /** Called with a tenant's totals after it has stored more. */
  stored: (tenantId: string, amounts: StorageAmounts) => void;
}): Memories {
  const { models, clock, storage, alone } = deps;

  const writer = createMemoryWriter(deps);
  const reads = createBoundedReads({ models });
  const scanGate = createGate({ maxUnits: SCANS_AT_ONCE, maxPauseMs: MAX_SCAN_PAUSE_MS });

  const inTransaction = <T>(tenantId: string, work: (session: ClientSession) => Promise<T>): Promise<T> =>
    alone([tenantId], () => models.connection.transaction(work) as Promise<T>);

  async function searchText(
    tenantId: string,
    text: string,
    first: number,
    reading: MemoryReading,
  ): Promise<MemoryMatch[]> {
    const found = await reads.find(tenantId, reading, first, (projection) =>
      models.memories
        .find({ tenantId, $text: { $search: text } }, { ...projection, score: { $meta: 'textScore' } })
        .sort({ score: { $meta: 'textScore' } })
        .limit(first)
        .lean<(ReadMemory & { score: number })[]>(),
    );
    const all = await reads.complete(found, reading);
    return all.map(({ score, ...memory }) => ({ memory, score }));
  }

  /** Compares with each of the tenant's embeddings, in batches, and keeps the best `first`. */
  async function searchVector(
    tenantId: string,
    embedding: readonly number[],
    first: number,
    reading: MemoryReading,
  ): Promise<MemoryMatch[]> {
    const dimensions = await storage.dimensions(tenantId);
    if (dimensions === null) return [];
    if (embedding.length !== dimensions) {
      throw badInput(
        'input.embedding',
        `has ${embedding.length} numbers, but this tenant's embeddings have ${dimensions}`,
      );
    }
    const wanted = Float64Array.from(embedding);
    const compared = new Float64Array(dimensions);
    let best: { id: string; score: number }[] = [];
    const limit = Math.min(Math.ceil(SCAN_BYTES / compared.byteLength), MAX_SCAN_BATCH);

    /** @returns the id of the last embedding compared; null: there are no more */
    async function compareBatch(after: string): Promise<string | null> {
      const batch = await models.memories
        .find({ _id: { $gt: after, $lt: `${tenantId};` }, embedding: { $ne: null } }, { embedding: 1 })
        .sort({ _id: 1 })
        .limit(limit)
        .lean<Pick<MemoryDoc, '_id' | 'embedding'>[]>();
      for (const { _id, embedding: packed } of batch) {
        if (!packed) continue;
        unpackInto(packed, compared);
        const score = cosine(wanted, compared);
        if (best.length === first && score <= (best[first - 1]?.score ?? -1)) continue;
        best.push({ id: _id, score });
        best = best.sort((a, b) => b.score - a.score).slice(0, first);
      }
      return batch.length < limit ? null : (batch.at(-1)?._id ?? null);
    }

    for (let after: string | null = `${tenantId}:`; after !== null; ) {
      const from: string = after;
      after = await scanGate.run(tenantId, 1, () => compareBatch(from));
    }
    const found = await reads.find(tenantId, reading, best.length, (projection) =>
      models.memories.find({ _id: { $in: best.map(({ id }) => id) } }, projection).lean<ReadMemory[]>(),
    );
    const all = await reads.complete(found, reading);
    const byId = new Map(all.map((memory) => [memory._id, memory]));
    return best.flatMap(({ id, score }) => {
      const memory = byId.get(id);
      return memory ? [{ memory, score }] : [];
    });
  }

  return {
    async store(tenantId, inputs, reservationId, lease = null) {
      const dimensions = ofOneLength(inputs);
      const createdAt = new Date(clock.now());
      const docs = inputs.map((input) => memoryDocument(tenantId, input, createdAt));
      const answer = { ids: docs.map(memoryIdOf), createdAt: docs.map(() => createdAt) };
      const keyed = lease && { lease, answer };
      await writer.write({ tenantId, docs, reservationId, dimensions, keyed });
      return docs;
    },

    restore(tenantId, inputs, answer) {
      const { ids, createdAt } = answer as { ids: string[]; createdAt: Date[] };
      return inputs.map((input, i) => memoryDocument(tenantId, input, createdAt[i] as Date, ids[i]));
    },

    find: (tenantId, id, reading) => reads.one(keyOf(tenantId, id), reading),

    async page(tenantId, { first, after }, reading) {
      const found = await reads.find(tenantId, reading, first + 1, (projection) =>
        models.memories
          .find({ _id: { $gt: keyOf(tenantId, after ?? ''), $lt: `${tenantId};` } }, projection)
          .sort({ _id: 1 })
          .limit(first + 1)
          .lean<ReadMemory[]>(),
      );
      const memories = await reads.complete(found.slice(0, first), reading);
      return { memories, hasNextPage: found.length > first };
    },

    async remove(tenantId, id) {
      return inTransaction(tenantId, async (session) => {
        const removed = await models.memories
          .findByIdAndDelete(keyOf(tenantId, id), { session })
          .lean<MemoryDoc>();
        if (!removed) return false;
        const { bytes } = removed;
        await storage.free(tenantId, { memories: 1, embeddings: removed.embedding ? 1 : 0, bytes }, session);
        return true;
      });
    },

    async share(tenantId, id) {
      return inTransaction(tenantId, async (session) => {
        const sharedAt = new Date(clock.now());
        const key = keyOf(tenantId, id);
        const shared = await models.memories.updateOne(
          { _id: key, sharedAt: null },
          { $set: { sharedAt } },
          { session },
        );
        if (shared.modifiedCount === 1) {
          await models.ledgers.updateOne(
            { _id: tenantId },
            { $inc: { 'today.federationShares': 1 } },
            { session, upsert: true },
          );
        }
        const memory = await models.memories.findById(key, null, { session }).lean<MemoryDoc>();
        if (!memory) throw notFound(`Memory ${id}`);
        return memory;
      });
    },

    async search(tenantId, { query, embedding, first }, reading) {
      oneOf({ query, embedding });
      return embedding
        ? searchVector(tenantId, embedding, first, reading)
        : searchText(tenantId, query ?? '', first, reading);
    },
  };
}

interface Wanted {
  query?: string | null | undefined;
  embedding?: readonly number[] | null | undefined;
}

/** @throws BAD_USER_INPUT unless it has either a text or an embedding */
export function oneOf({ query, embedding }: Wanted): void {
  if (query && embedding) throw badInput('input', 'takes a text or an embedding, not both');
  if (!query && !embedding) throw badInput('input', 'needs a text or an embedding');
}

/**
 * Checks that all embeddings of one call have one length; the transaction compares it with the tenant's others.
 * @returns the length; null: there are no embeddings
 * @throws BAD_USER_INPUT
 */
export function ofOneLength(inputs: readonly Storable[]): number | null {
  const lengths = new Set(inputs.flatMap(({ embedding }) => (embedding ? [embedding.length] : [])));
  if (lengths.size > 1)
    throw badInput('input.embedding', `must be of one length, not ${[...lengths].join(' and ')}`);
  return [...lengths][0] ?? null;
}
