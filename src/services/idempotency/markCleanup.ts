import type { Model } from 'mongoose';
import type { Logger } from 'pino';
import { chunksOf, groupBy } from '../../common/groups.js';
import type { Models } from '../../models/models.js';
import { dayOf, usageDayId } from '../limits/ledger/windows.js';

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

export function createMarkCleanup(deps: { models: Models; log: Logger }): MarkCleanup {
  const { models, log } = deps;
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

  async function unset(
    { collection }: Pick<Model<never>, 'collection'>,
    id: string,
    groups: readonly string[],
    marked: readonly MarkedCharge[],
  ): Promise<void> {
    for (const chunk of chunksOf(marked, CHUNK)) {
      const paths = groups.flatMap((group) => chunk.map(({ attempt }) => [`${group}.${attempt}`, '']));
      await collection.updateOne({ _id: id as never }, { $unset: Object.fromEntries(paths) });
    }
  }

  async function remove(marked: readonly MarkedCharge[]): Promise<void> {
    const ofTenant = groupBy(marked, ({ tenantId }) => tenantId);
    for (const [tenantId, ofOne] of ofTenant) {
      // First in the ledger: a day that ends meanwhile takes the marks that it still has to the history.
      await unset(models.ledgers, tenantId, ['today.marks', 'ended.marks'], ofOne);
      // Around midnight the charge can be on either of two days.
      const days = new Set(
        ofOne.flatMap(({ startedAtMs }) => [dayOf(startedAtMs), dayOf(startedAtMs + MAX_DELAY_MS)]),
      );
      for (const day of days) await unset(models.usageDays, usageDayId(tenantId, day), ['marks'], ofOne);
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
