import { MAX_OPERATIONS } from '../bounds.js';

/** Of the lists of all operations of one request: it stays well under the 1 MB that the server reads. */
const MAX_BATCH_PARTS = 2_000;

/** As much as goes into a request each. */
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

/** The first is no smaller than the second. */
export function halvesOf<T>(batch: readonly T[]): [T[], T[]] {
  const middle = Math.ceil(batch.length / 2);
  return [batch.slice(0, middle), batch.slice(middle)];
}
