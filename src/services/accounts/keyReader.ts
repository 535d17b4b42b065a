import { createGroupCommit } from '@continuum-billing/limits/core';
import type { ApiKeyDoc } from '../../models/apiKey.js';
import type { Models } from '../../models/models.js';

interface Reading {
  keyId: string;
  resolve(key: ApiKeyDoc | null): void;
  reject(error: unknown): void;
}

const MAX_WAITING = 5_000;

/**
 * Reads keys in batches: all that are requested during one read share the next. A read always starts after the request
 * for it, so it sees earlier changes.
 * @returns a function that throws SERVICE_UNAVAILABLE when too many requests are waiting
 */
export function createKeyReader({
  models,
}: {
  models: Models;
}): (keyId: string) => Promise<ApiKeyDoc | null> {
  const reads = createGroupCommit<Reading>(async (batch) => {
    try {
      const ids = [...new Set(batch.map(({ keyId }) => keyId))];
      const found = await models.apiKeys.find({ _id: { $in: ids } }).lean<ApiKeyDoc[]>();
      const byId = new Map(found.map((doc) => [doc._id, withBuffers(doc)]));
      for (const { keyId, resolve } of batch) resolve(byId.get(keyId) ?? null);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }, MAX_WAITING);
  return (keyId) => new Promise((resolve, reject) => reads.submit({ keyId, resolve, reject }));
}

const withBuffers = ({ salt, hash, tag, ...doc }: ApiKeyDoc): ApiKeyDoc => ({
  ...doc,
  salt: bytesOf(salt),
  hash: bytesOf(hash),
  tag: bytesOf(tag),
});

/** Lean reads return BSON binaries instead of Buffers. */
function bytesOf(value: Buffer | { buffer: Uint8Array }): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer);
}
