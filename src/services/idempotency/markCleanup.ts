import type { Logger } from 'pino';
import type { Models } from '../../models/models.js';
import type { Admission } from '../limits/calls/admission.js';
import { dayOf, usageDayId } from '../limits/calls/windows.js';

/** A charge with a mark. */
export interface MarkedCharge {
  tenantId: string;
  attempt: string;
  startedAtMs: number;
}

/** Removes the marks of answered requests from the usage days, which would otherwise grow with each request. */
export interface MarkCleanup {
  forget(marked: MarkedCharge): void;
  start(): void;
  stop(): Promise<void>;
}

const CLEAN_MS = 2_000;
/** Longest time between the start of a request and its charge. */
const MAX_DELAY_MS = 60_000;
/** Further marks stay until their day is deleted. */
const MAX_PENDING = 100_000;
const CHUNK = 1_000;

export function createMarkCleanup(deps: { models: Models; log: Logger; admission: Admission }): MarkCleanup {
  const { models, log, admission } = deps;
  let pending: MarkedCharge[] = [];
  let timer: NodeJS.Timeout | undefined;
  let cleaning: Promise<void> = Promise.resolve();

  async function clean(): Promise<void> {
    const marked = pending;
    pending = [];
    try {
      await remove(marked);
    } catch (error) {
      pending = [...marked, ...pending].slice(0, MAX_PENDING);
      throw error;
    }
  }

  async function remove(marked: readonly MarkedCharge[]): Promise<void> {
    const byDay = new Map<string, string[]>();
    for (const { tenantId, attempt, startedAtMs } of marked) {
      // Around midnight the charge can be on either of two days.
      for (const day of new Set([dayOf(startedAtMs), dayOf(startedAtMs + MAX_DELAY_MS)])) {
        const id = usageDayId(tenantId, day);
        byDay.set(id, [...(byDay.get(id) ?? []), attempt]);
      }
    }
    await admission.settle([...byDay.keys()]);
    for (const [id, attempts] of byDay) {
      for (let i = 0; i < attempts.length; i += CHUNK) {
        const paths = attempts.slice(i, i + CHUNK).map((attempt) => [`marks.${attempt}`, '']);
        await models.usageDays.collection.updateOne(
          { _id: id as never },
          { $unset: Object.fromEntries(paths) },
        );
      }
    }
  }

  function cleanNext(): Promise<void> {
    if (pending.length > 0) {
      cleaning = cleaning
        .then(clean)
        .catch((error: unknown) => log.warn({ err: error }, 'idempotency.marks_left'));
    }
    return cleaning;
  }

  return {
    forget(marked) {
      if (pending.length < MAX_PENDING) pending.push(marked);
    },
    start() {
      timer = setInterval(() => void cleanNext(), CLEAN_MS).unref();
    },
    async stop() {
      clearInterval(timer);
      await cleanNext();
    },
  };
}
