import type { Connection, mongo } from 'mongoose';
import type { Logger } from 'pino';
import type { Clock } from './clock.js';

/** A clock that all servers of a database share: each measures the offset of the database's clock from its own. */
export interface AgreedClock extends Clock {
  stop(): void;
}

const MEASURE_MS = 10_000;
const SAMPLES = 3;
const TIMEOUT_MS = 1_000;

interface Sample {
  /** The database's time minus `performance.now()`. */
  offsetMs: number;
  /** The maximum error of the offset: half of the round trip, plus a millisecond because the clock is that coarse. */
  errorMs: number;
}

/**
 * Between measurements, time advances with the monotonic clock of the process, so that setting the machine's clock moves
 * no window. The offset changes only if a measurement proves it wrong, so that slow responses do not cause jitter.
 */
export async function startAgreedClock(connection: Connection, log: Logger): Promise<AgreedClock> {
  let offsetMs = (await measureClock(connection)).offsetMs;

  async function follow(): Promise<void> {
    const sample = await measureClock(connection);
    const wrongByMs = sample.offsetMs - offsetMs;
    if (Math.abs(wrongByMs) <= sample.errorMs) return;
    offsetMs = sample.offsetMs;
    log.debug({ byMs: Math.round(wrongByMs) }, 'clock.adjusted');
  }

  const timer = setInterval(() => {
    // While the database is unavailable, nothing is charged, so the clock may wait for it.
    follow().catch(() => undefined);
  }, MEASURE_MS).unref();

  return {
    now: () => Math.floor(offsetMs + performance.now()),
    stop: () => clearInterval(timer),
  };
}

/** @returns the sample with the shortest round trip */
export async function measureClock(connection: Connection): Promise<Sample> {
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
