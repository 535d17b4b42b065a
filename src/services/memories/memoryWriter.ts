import { createGroupCommit, type StorageAmounts } from '@continuum-billing/limits/core';
import type { MemoryDoc } from '../../models/memory.js';
import type { Models } from '../../models/models.js';
import type { Answer, IdempotencyKeys, RequestLease } from '../idempotency/idempotencyKeys.js';
import { isDatabaseUnavailable, isDuplicateKey } from '../infrastructure/databaseErrors.js';
import type { RunningAdmission } from '../limits/ledger/createAdmission.js';
import type { Storage, StorageCommit } from '../limits/storage/storage.js';

/** The memories of one operation, and what is written with them. */
export interface NewMemories extends StorageCommit {
  docs: readonly MemoryDoc[];
  /** The lease of the request's idempotency key, with the answer to record; null: it has none. */
  keyed: { lease: RequestLease; answer: Answer } | null;
}

/**
 * Stores new memories. Operations that arrive while a batch is being written share the next: one transaction stores the
 * memories of all, commits their storage reservations and records their answers.
 */
export interface MemoryWriter {
  /** @throws what `Storage.problemOf` and `IdempotencyKeys.complete` say; nothing is stored then */
  write(memories: NewMemories): Promise<void>;
}

interface Waiting {
  memories: NewMemories;
  resolve(): void;
  reject(error: unknown): void;
}

const MAX_WAITING = 10_000;
/** Of one transaction: it must end long before its operations give up, and in MongoDB's memory. */
const MAX_DOCUMENTS = 1_000;
const MAX_BYTES = 4_194_304;

export function createMemoryWriter(deps: {
  models: Models;
  storage: Storage;
  /** Runs transactions that change ledgers. */
  alone: RunningAdmission['alone'];
  idempotencyKeys: Pick<IdempotencyKeys, 'complete' | 'completed'>;
  /** Called with a tenant's totals after it has stored more. */
  stored: (tenantId: string, amounts: StorageAmounts) => void;
}): MemoryWriter {
  const { models, storage, alone, idempotencyKeys } = deps;
  const queue = createGroupCommit<Waiting>(commit, MAX_WAITING);

  async function commit(batch: readonly Waiting[]): Promise<void> {
    for (const part of partsOf(batch)) await commitPart(part);
  }

  async function commitPart(part: readonly Waiting[]): Promise<void> {
    const all = part.map(({ memories }) => memories);
    try {
      if (await store(all)) {
        for (const { memories, resolve } of part) {
          if (memories.keyed) idempotencyKeys.completed(memories.keyed.lease);
          resolve();
        }
        void announce(all).catch(() => undefined);
        return;
      }
      if (part.length === 1) throw await storage.problemOf(all[0] as NewMemories);
    } catch (error) {
      if (part.length === 1 || isDatabaseUnavailable(error)) {
        for (const { reject } of part) reject(error);
        return;
      }
    }
    // One of them cannot be stored: each is tried by itself, so that it fails alone.
    for (const waiting of part) await commitPart([waiting]);
  }

  /** @returns false if a reservation cannot be committed; nothing is stored then */
  async function store(all: readonly NewMemories[]): Promise<boolean> {
    const docs = all.flatMap((memories) => memories.docs);
    try {
      const isCommitted = await alone(tenantIdsOf(all), () =>
        models.connection.transaction(async (session) => {
          // First, because a transaction fails if its tenants reserved storage after it began.
          if (!(await storage.commit(all, session))) {
            await session.abortTransaction();
            return false;
          }
          await models.memories.collection.insertMany(docs as never[], { session });
          for (const { keyed } of all)
            if (keyed) await idempotencyKeys.complete(keyed.lease, keyed.answer, session);
          return true;
        }),
      );
      return isCommitted || (await areStored(docs));
    } catch (error) {
      if (isDuplicateKey(error)) return areStored(docs);
      throw error;
    }
  }

  /** The ids are new, so memories that exist were stored by a transaction whose answer was lost, and that was retried. */
  const areStored = async ([first]: readonly MemoryDoc[]) =>
    first !== undefined &&
    (await models.memories.exists({ _id: first._id }).readConcern('majority')) !== null;

  /** Says how much the tenants have stored now. */
  async function announce(all: readonly NewMemories[]): Promise<void> {
    const tenantIds = tenantIdsOf(all);
    const amounts = await storage.stored(tenantIds);
    for (const [i, tenantId] of tenantIds.entries()) deps.stored(tenantId, amounts[i] as StorageAmounts);
  }

  return {
    write(memories) {
      return new Promise((resolve, reject) => queue.submit({ memories, resolve, reject }));
    },
  };
}

const tenantIdsOf = (all: readonly NewMemories[]) => [...new Set(all.map(({ tenantId }) => tenantId))];

/** Parts of a batch, each as large as a transaction may be. */
function* partsOf(batch: readonly Waiting[]): Generator<Waiting[]> {
  let part: Waiting[] = [];
  let documents = 0;
  let bytes = 0;
  for (const waiting of batch) {
    const { docs } = waiting.memories;
    const more = docs.reduce((sum, doc) => sum + doc.bytes, 0);
    if (part.length > 0 && (documents + docs.length > MAX_DOCUMENTS || bytes + more > MAX_BYTES)) {
      yield part;
      part = [];
      documents = 0;
      bytes = 0;
    }
    part.push(waiting);
    documents += docs.length;
    bytes += more;
  }
  if (part.length > 0) yield part;
}
