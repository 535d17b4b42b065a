import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection, mongo } from 'mongoose';

/**
 * A change stream of busy collections. It asks for changes at most ten times a second, for all that have happened since:
 * an answer for each change would cost a round trip each.
 */
export interface PacedChangeStream {
  /** Resolves when changes from now on are seen. */
  opened: Promise<void>;
  close(): Promise<void>;
}

const PACE_MS = 100;
/** How long MongoDB waits for a change before it answers that there is none. */
const MAX_AWAIT_MS = 500;
/** Changes that are in memory at once. */
const BATCH = 1_000;

/**
 * @param deps.changed must not throw
 * @param deps.lost called once if the stream has ended and cannot be resumed: changes may have been missed
 */
export function openPacedChangeStream(deps: {
  connection: Connection;
  pipeline: mongo.Document[];
  changed: (change: mongo.ChangeStreamDocument) => void;
  /** Resolves when the changes so far have been handled: no more are read before. */
  handled: () => Promise<void>;
  lost: (error: Error) => void;
}): PacedChangeStream {
  const { connection, pipeline, changed, handled, lost } = deps;
  if (!connection.db) throw new Error('not connected to the database');
  const stream = connection.db.watch(pipeline, { maxAwaitTimeMS: MAX_AWAIT_MS, batchSize: BATCH });
  let isClosed = false;

  /** Reads what has arrived; only the first call asks MongoDB. @returns how many changes there were */
  async function readBatch(): Promise<number> {
    let count = 0;
    let change = await stream.tryNext();
    while (change && !isClosed) {
      changed(change);
      count++;
      change = stream.bufferedCount() > 0 ? await stream.tryNext() : null;
    }
    return count;
  }

  async function readOn(): Promise<void> {
    while (!isClosed) {
      const count = await readBatch();
      await handled();
      if (count < BATCH && !isClosed) await sleep(PACE_MS, undefined, { ref: false });
    }
  }

  // MongoDB names the point from which it watches as soon as it does.
  const begun = new Promise<void>((resolve) => stream.once('resumeTokenChanged', () => resolve()));
  const reading = readOn();
  reading.catch((error: Error) => {
    if (isClosed) return;
    isClosed = true;
    void stream.close().catch(() => undefined);
    lost(error);
  });
  return {
    opened: Promise.race([begun, reading]),
    async close() {
      isClosed = true;
      await stream.close().catch(() => undefined);
    },
  };
}
