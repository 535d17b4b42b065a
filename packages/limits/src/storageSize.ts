import type { StorageAmounts } from './limits.js';

/** A memory to be stored. */
export interface Storable {
  content: string;
  embedding?: readonly number[] | null | undefined;
  metadata?: unknown;
}

const BYTES_PER_NUMBER = 8;

/** The size of one memory: the UTF-8 bytes of its content and of its metadata as JSON, and 8 for each number of its embedding. */
export function sizeOf({ content, embedding, metadata }: Storable): { bytes: number } & StorageAmounts {
  return {
    memories: 1,
    embeddings: embedding ? 1 : 0,
    bytes: Buffer.byteLength(content) + jsonBytes(metadata) + BYTES_PER_NUMBER * (embedding?.length ?? 0),
  };
}

/**
 * The amounts that the value of an argument stores: the sum over the items of a list, nothing for null.
 * @param resource the catalogue's name for it; each item is one of it, and its UTF-8 bytes as JSON. null: a memory
 */
export function amountsOf(resource: string | null, value: unknown): StorageAmounts {
  const items = [value].flat().filter((item) => item != null);
  if (resource === null) return sumOfSizes((items as Storable[]).map(sizeOf));
  return sumOfSizes(items.map((item) => ({ [resource]: 1, bytes: jsonBytes(item) })));
}

function sumOfSizes(sizes: readonly StorageAmounts[]): StorageAmounts {
  const sums = new Map<string, number>();
  for (const size of sizes) {
    for (const [resource, amount] of Object.entries(size))
      sums.set(resource, (sums.get(resource) ?? 0) + amount);
  }
  return Object.fromEntries(sums);
}

const jsonBytes = (value: unknown): number => (value == null ? 0 : Buffer.byteLength(JSON.stringify(value)));
