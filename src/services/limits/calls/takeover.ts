import type { mongo } from 'mongoose';
import type { Logger } from 'pino';
import { groupBy } from '../../../common/groups.js';
import type { Models } from '../../../models/models.js';
import type { UsageDayDoc } from '../../../models/usageDay.js';
import type { Journal, JournalEntry } from './journal.js';
import { addToMinute } from './usageView.js';

/**
 * Fences a generation, and writes the calls in its journal to the usage days that it leases. Any instance may do this at
 * any time, several at once too: the fence comes first, and a day accepts each batch once.
 */
export type Takeover = (generation: number) => Promise<void>;

const CHUNK = 1_000;

export function createTakeover(deps: { models: Models; journal: Journal; log: Logger }): Takeover {
  const { models, journal, log } = deps;
  const days = models.usageDays.collection;

  return async (generation) => {
    await journal.fence(generation);
    const batches = await journal.read(generation);
    const ofDay = groupBy(
      batches.flatMap(({ sequence, entries }) => entries.map((entry) => ({ sequence, entry }))),
      ({ entry }) => entry.id,
    );
    let settled = 0;
    // Repeat until none is left: a day that the old instance settles at the same moment is read again.
    for (;;) {
      const leased = await days
        .find({ 'claim.epoch': generation }, { projection: { minute: 1, claim: 1 } })
        .limit(CHUNK)
        .toArray();
      if (leased.length === 0) break;
      const statements = leased.map((doc) => {
        const day = doc as unknown as UsageDayDoc;
        return releaseStatement(day, ofDay.get(day._id) ?? []);
      });
      const { modifiedCount } = await days.bulkWrite(statements as never, { ordered: false });
      settled += modifiedCount;
    }
    await journal.trim(generation, Number.MAX_SAFE_INTEGER);
    log.info({ generation, days: settled, batches: batches.length }, 'admission.fenced');
  };
}

function releaseStatement(
  day: UsageDayDoc,
  written: readonly { sequence: number; entry: JournalEntry }[],
): mongo.AnyBulkWriteOperation<UsageDayDoc> {
  const { epoch: generation, settled } = day.claim as NonNullable<UsageDayDoc['claim']>;
  const minute = { at: day.minute?.at ?? 0, calls: day.minute?.calls ?? 0 };
  const plus: Record<string, number> = { calls: 0 };
  for (const { sequence, entry } of written) {
    if (sequence <= settled) continue;
    plus.calls = (plus.calls ?? 0) + entry.calls;
    for (const [path, calls] of entry.paths) plus[path] = (plus[path] ?? 0) + calls;
    addToMinute(minute, entry.minute, entry.calls);
  }
  return {
    updateOne: {
      filter: { _id: day._id, 'claim.epoch': generation, 'claim.settled': settled },
      update: { $inc: plus, $set: { minute }, $unset: { claim: '' } },
    },
  };
}
