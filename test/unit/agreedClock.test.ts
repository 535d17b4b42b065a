import type { Connection } from 'mongoose';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startAgreedClock } from '../../src/common/agreedClock.js';

const HOUR_MS = 3_600_000;
const log = pino({ level: 'silent' });

/** A database whose clock and slowness a test sets; time stands still between. */
function createDatabase() {
  const database = { aheadMs: 0, answerMs: 1, atMs: 50_000, away: false };
  vi.spyOn(performance, 'now').mockImplementation(() => database.atMs);
  const command = async () => {
    if (database.away) throw new Error('away');
    // It looks at its clock when it has the question: all of the way is the way there.
    database.atMs += database.answerMs;
    return { localTime: new Date(database.atMs + database.aheadMs) };
  };
  return { ...{ connection: { db: { command } } as unknown as Connection }, database };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

it("returns the database's time, whatever the machine's clock says", async () => {
  const { connection, database } = createDatabase();
  database.aheadMs = 30 * 365 * 24 * HOUR_MS;
  vi.spyOn(Date, 'now').mockReturnValue(0);
  const clock = await startAgreedClock(connection, log);
  expect(Math.abs(clock.now() - (database.atMs + database.aheadMs))).toBeLessThanOrEqual(1);
  database.atMs += HOUR_MS;
  expect(Math.abs(clock.now() - (database.atMs + database.aheadMs))).toBeLessThanOrEqual(1);
  clock.stop();
});

it('follows when the database is another, and keeps its own time while there is none', async () => {
  const { connection, database } = createDatabase();
  const clock = await startAgreedClock(connection, log);
  database.aheadMs = -HOUR_MS;
  database.away = true;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(Math.abs(clock.now() - database.atMs)).toBeLessThanOrEqual(1);
  database.away = false;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(Math.abs(clock.now() - (database.atMs - HOUR_MS))).toBeLessThanOrEqual(1);
  clock.stop();
});

it('is not shaken by an answer that was slow', async () => {
  const { connection, database } = createDatabase();
  const clock = await startAgreedClock(connection, log);
  database.answerMs = 800;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(Math.abs(clock.now() - database.atMs)).toBeLessThanOrEqual(1);
  clock.stop();
});
