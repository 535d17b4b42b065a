import type { Connection, mongo } from 'mongoose';
import type { Logger } from 'pino';
import type { Clock } from './clock.js';

/** A clock that all servers of one database share: each measures how the database's clock stands to its own. */
export interface AgreedClock extends Clock {
  stop(): void;
}

const MEASURE_MS = 10_000;
const SAMPLES = 3;
const TIMEOUT_MS = 1_000;

interface Sample {
  /** What to add to `performance.now()` for the database's time. */
  offsetMs: number;
  /** By how much the offset may be wrong: half of the round trip, and a clock that tells whole milliseconds. */
  errorMs: number;
}

/**
 * Between two measurements time goes on by this process's monotonic clock: whoever sets the machine's clock moves no
 * window. A measurement is followed only when it proves the clock wrong, so that a slow answer does not shake it.
 */
export async function startAgreedClock(connection: Connection, log: Logger): Promise<AgreedClock> {
  let offsetMs = (await measure(connection)).offsetMs;

  async function follow(): Promise<void> {
    const sample = await measure(connection);
    const wrongByMs = sample.offsetMs - offsetMs;
    if (Math.abs(wrongByMs) <= sample.errorMs) return;
    offsetMs = sample.offsetMs;
    log.debug({ byMs: Math.round(wrongByMs) }, "the clock follows the database's");
  }

  const timer = setInterval(() => {
    // Without the database nothing is charged: the clock may wait for it.
    follow().catch(() => undefined);
  }, MEASURE_MS).unref();

  return {
    now: () => Math.floor(offsetMs + performance.now()),
    stop: () => clearInterval(timer),
  };
}

/** @returns the sample with the shortest round trip */
async function measure(connection: Connection): Promise<Sample> {
  const samples: Sample[] = [];
  for (let i = 0; i < SAMPLES; i++) {
    const askedMs = performance.now();
    const hello = await (connection.db as mongo.Db).command({ hello: 1 }, { timeoutMS: TIMEOUT_MS });
    const answeredMs = performance.now();
    const databaseMs = (hello.localTime as Date).getTime();
    samples.push({
      offsetMs: databaseMs - (askedMs + answeredMs) / 2,
      errorMs: (answeredMs - askedMs) / 2 + 1,
    });
  }
  return samples.reduce((best, sample) => (sample.errorMs < best.errorMs ? sample : best));
}
