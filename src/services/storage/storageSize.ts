import type { StorageAmounts } from '../../models/storageAccount.js';

/** What storage is asked for: a memory to be stored. */
export interface Storable {
  content: string;
  embedding?: readonly number[] | null | undefined;
  metadata?: unknown;
}

const BYTES_PER_NUMBER = 8;

/** What one memory counts for: the UTF-8 bytes of its content and of its metadata as JSON, 8 a number of its embedding. */
export function sizeOf({ content, embedding, metadata }: Storable): StorageAmounts {
  const metadataBytes = metadata == null ? 0 : Buffer.byteLength(JSON.stringify(metadata));
  return {
    memories: 1,
    embeddings: embedding ? 1 : 0,
    bytes: Buffer.byteLength(content) + metadataBytes + BYTES_PER_NUMBER * (embedding?.length ?? 0),
  };
}

export function sumOfSizes(sizes: readonly StorageAmounts[]): StorageAmounts {
  const sum = { memories: 0, embeddings: 0, bytes: 0 };
  for (const size of sizes) {
    sum.memories += size.memories;
    sum.embeddings += size.embeddings;
    sum.bytes += size.bytes;
  }
  return sum;
}
