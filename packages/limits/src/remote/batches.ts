import { MAX_OPERATIONS } from '../bounds.js';

/** Entries in the lists of all operations in one request, which keeps it well below the 1 MB that the server reads. */
const MAX_BATCH_PARTS = 2_000;

/** Splits waiting items into batches, each as large as one request may be. */
export function* inBatches<T>(waiting: readonly T[], partsOfItem: (item: T) => number): Generator<T[]> {
  let batch: T[] = [];
  let parts = 0;
  for (const item of waiting) {
    const more = partsOfItem(item);
    if (batch.length === MAX_OPERATIONS || (batch.length > 0 && parts + more > MAX_BATCH_PARTS)) {
      yield batch;
      batch = [];
      parts = 0;
    }
    batch.push(item);
    parts += more;
  }
  if (batch.length > 0) yield batch;
}

/** Splits a batch in two. The first half is not smaller than the second. */
export function halvesOf<T>(batch: readonly T[]): [T[], T[]] {
  const middle = Math.ceil(batch.length / 2);
  return [batch.slice(0, middle), batch.slice(middle)];
}
