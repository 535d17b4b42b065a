import type { mongo } from 'mongoose';
import { groupBy } from '../../../common/groups.js';
import type { Models } from '../../../models/models.js';
import { EMPTY_USAGE_DAY, type UsageDayDoc } from '../../../models/usageDay.js';
import type { UsageEvent, UsageEventBatchDoc } from '../../../models/usageEventBatch.js';
import type { Admission } from '../../limits/calls/admission.js';
import type { EndpointNames } from '../../limits/calls/endpointNames.js';
import { callPaths } from '../../limits/calls/increments.js';
import { dayOf, hourOf, usageDayId } from '../../limits/calls/windows.js';

export type CountableBatch = Pick<
  UsageEventBatchDoc,
  'tenantId' | 'writer' | 'sequence' | 'events' | 'recordedAt'
>;

/** Adds stored batches of usage events to the usage days in which they happened. */
export interface DayCounts {
  /**
   * Counting a batch again changes nothing, on any instance and at any time. This relies on one rule: a writer stores a
   * tenant's next batch only after the previous one was counted, or never.
   */
  count(batches: readonly CountableBatch[]): Promise<void>;
}

/** One batch's share of one day. */
interface DayCount {
  dayId: string;
  writer: string;
  sequence: number;
  increments: Map<string, number>;
}

const COUNT_TIMEOUT_MS = 5_000;

export function createDayCounts(deps: {
  models: Models;
  endpointNames: EndpointNames;
  admission: Pick<Admission, 'recorded'>;
}): DayCounts {
  const { models, endpointNames, admission } = deps;
  const days = models.usageDays.collection;

  async function countsOf(batch: CountableBatch): Promise<DayCount[]> {
    const { tenantId, writer, sequence, events, recordedAt } = batch;
    const atMs = ({ at }: UsageEvent) => (at ?? recordedAt).getTime();
    const byDay = groupBy(events, (event) => usageDayId(tenantId, dayOf(atMs(event))));
    return Promise.all(
      [...byDay].map(async ([dayId, ofDay]) => {
        const countedAs = await endpointNames.admit(dayId, new Set(ofDay.map(({ endpoint }) => endpoint)));
        const increments = new Map<string, number>();
        const add = (path: string, count: number) =>
          increments.set(path, (increments.get(path) ?? 0) + count);
        for (const [hour, ofHour] of groupBy(ofDay, (event) => hourOf(atMs(event)))) {
          const charges = ofHour.map(({ endpoint, quantity }) => ({
            endpoint: countedAs(endpoint),
            calls: quantity,
          }));
          for (const [path, calls] of callPaths(charges, hour)) add(path, calls);
        }
        add('recordedEvents', ofDay.length);
        add(
          'calls',
          ofDay.reduce((sum, { quantity }) => sum + quantity, 0),
        );
        return { dayId, writer, sequence, increments };
      }),
    );
  }

  /** @returns how many counts were applied; the days of the others are missing, or have them already */
  async function take(counts: readonly DayCount[]): Promise<number> {
    const statements = counts.map(({ dayId, writer, sequence, increments }) => ({
      updateOne: {
        filter: { _id: dayId, [`recorded.${writer}`]: { $not: { $gte: sequence } } },
        update: { $inc: Object.fromEntries(increments), $set: { [`recorded.${writer}`]: sequence } },
      },
    }));
    return (await bulk(statements)).matchedCount;
  }

  async function makeDays(ids: readonly string[]): Promise<void> {
    await bulk(
      ids.map((_id) => ({
        updateOne: { filter: { _id }, update: { $setOnInsert: EMPTY_USAGE_DAY }, upsert: true },
      })),
    );
  }

  const bulk = (statements: mongo.AnyBulkWriteOperation<UsageDayDoc>[]) =>
    days.bulkWrite(statements as never, { ordered: false, timeoutMS: COUNT_TIMEOUT_MS });

  return {
    async count(batches) {
      const counts = (await Promise.all(batches.map(countsOf))).flat();
      if (counts.length === 0) return;
      await takeAll(counts);
      // From the next call on the limits see what was recorded.
      admission.recorded(counts.map(({ dayId }) => dayId));
    },
  };

  async function takeAll(counts: readonly DayCount[]): Promise<void> {
    if ((await take(counts)) === counts.length) return;
    // Some days are new. If the upsert had the condition, a day that another instance creates at the same time would
    // look as if it already had the batch.
    await makeDays(counts.map(({ dayId }) => dayId));
    await take(counts);
  }
}
