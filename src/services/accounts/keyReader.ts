import { createGroupCommit } from '@continuum-billing/limits/core';
import type { ApiKeyDoc } from '../../models/apiKey.js';
import type { Models } from '../../models/models.js';
import type { StoredSecret } from './keyHash.js';

/** What is stored of a key; those of a version before tags have none. */
export interface StoredKey extends Omit<ApiKeyDoc, keyof StoredSecret>, Omit<StoredSecret, 'tag'> {
  tag: Buffer | null;
}

interface Reading {
  keyId: string;
  resolve(key: StoredKey | null): void;
  reject(error: unknown): void;
}

const MAX_WAITING = 5_000;

/**
 * Reads keys: all that are asked for while one read is under way share the next, however many clients try however many
 * keys. A read begins after it was asked for.
 * @returns a function that throws SERVICE_UNAVAILABLE when too many wait
 */
export function createKeyReader({
  models,
}: {
  models: Models;
}): (keyId: string) => Promise<StoredKey | null> {
  const reads = createGroupCommit<Reading>(async (batch) => {
    try {
      const ids = [...new Set(batch.map(({ keyId }) => keyId))];
      const found = await models.apiKeys.find({ _id: { $in: ids } }).lean<ApiKeyDoc[]>();
      const byId = new Map(found.map((doc) => [doc._id, storedKey(doc)]));
      for (const { keyId, resolve } of batch) resolve(byId.get(keyId) ?? null);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }, MAX_WAITING);
  return (keyId) => new Promise((resolve, reject) => reads.submit({ keyId, resolve, reject }));
}

const storedKey = ({ salt, hash, tag, ...doc }: ApiKeyDoc): StoredKey => ({
  ...doc,
  salt: bytesOf(salt),
  hash: bytesOf(hash),
  tag: tag ? bytesOf(tag) : null,
});

/** Lean reads give BSON binaries, not Buffers. */
function bytesOf(value: Buffer | { buffer: Uint8Array }): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer);
}
