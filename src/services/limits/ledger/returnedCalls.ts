import { type Charge, sumOf } from '@continuum-billing/limits/core';
import type { Logger } from 'pino';
import type { LedgerDoc, WindowName } from '../../../models/ledger.js';
import type { Models } from '../../../models/models.js';
import { spanKey } from '../../tiers/overage.js';
import type { DayEnds } from './dayEnds.js';
import { callPaths } from './ledgerUpdates.js';
import { dayNumberOf, hourOf, minuteOf, monthOfDay, nameOfDay, usageDayId } from './windows.js';

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;
const MAX_TRIES = 40;

export interface ReturnedCalls {
  /**
   * Takes calls off the day on which they were charged; retried in the background while the database is away, since that is
   * just when calls fail. Applied at most once: returning calls twice would let one call too many through.
   */
  apply(tenantId: string, charges: readonly Charge[], chargedAtMs: number): Promise<void>;
  idle(): Promise<void>;
}

const notBelow0 = (value: object) => ({ $max: [0, value] });

/** What is changed in the record of a day, at a path of the document. */
interface Subtraction {
  /** The path of the record, with a dot at its end; empty for a document of the history. */
  prefix: string;
  calls: number;
  charges: readonly Charge[];
  atMs: number;
}

/** Returned calls are taken off the overage first, because each of its calls is paid for. */
const overageTaken = ({ prefix, calls }: Subtraction) => ({
  $min: [calls, { $ifNull: [`$${prefix}overage.used`, 0] }],
});

/** The overage of the record, in the billing span of the charge. A day without overage gets none. */
function lessOverage(subtraction: Subtraction): object {
  const { prefix, atMs } = subtraction;
  const taken = overageTaken(subtraction);
  const begun = {
    $filter: { input: '$$spans', as: 'span', cond: { $lte: ['$$span.k', spanKey(atMs)] } },
  };
  const less = { k: '$$span.k', v: notBelow0({ $subtract: ['$$span.v', taken] }) };
  const isMeant = { $eq: ['$$span.k', { $max: { $map: { input: begun, as: 'span', in: '$$span.k' } } }] };
  const spans = {
    $let: {
      vars: { spans: { $objectToArray: { $ifNull: [`$${prefix}overage.spans`, {}] } } },
      in: {
        $arrayToObject: {
          $map: { input: '$$spans', as: 'span', in: { $cond: [isMeant, less, '$$span'] } },
        },
      },
    },
  };
  const used = { $subtract: [`$${prefix}overage.used`, taken] };
  const overage = `$${prefix}overage`;
  return {
    $cond: [{ $gt: [`${overage}.used`, 0] }, { $mergeObjects: [overage, { used, spans }] }, overage],
  };
}

function lessRecorded(subtraction: Subtraction): Record<string, object> {
  const { prefix, charges, atMs } = subtraction;
  const paths = [...callPaths(charges, hourOf(atMs))].map(([path, calls]) => [
    `${prefix}${path}`,
    { $subtract: [`$${prefix}${path}`, calls] },
  ]);
  return { ...Object.fromEntries(paths), [`${prefix}overage`]: lessOverage(subtraction) };
}

/** @param deps.instance the id of this server */
export function createReturnedCalls(deps: {
  models: Models;
  log: Logger;
  instance: string;
  dayEnds: Pick<DayEnds, 'seal'>;
}): ReturnedCalls {
  const { models, log, instance, dayEnds } = deps;
  const ledgers = models.ledgers.collection;
  const running = new Set<Promise<void>>();
  /** Returns of one tenant are applied in turn, so that its last number shows whether one whose answer was lost was applied. */
  const lastOfTenant = new Map<string, Promise<void>>();
  let last = 0;
  let stopping = false;
  const returnedHere = `returned.${instance}`;

  async function applyOnce(
    sequence: number,
    tenantId: string,
    charges: readonly Charge[],
    atMs: number,
  ): Promise<void> {
    const calls = sumOf(charges);
    const day = dayNumberOf(atMs);
    const subtraction = { prefix: 'today.', calls, charges, atMs };
    // A service may ask to return more calls than were charged: those are not returned.
    const isOfDay = { 'windows.day.at': day, 'windows.day.used': { $gte: calls } };
    const { matchedCount } = await ledgers.updateOne(
      { _id: tenantId as never, [returnedHere]: { $not: { $gte: sequence } }, ...isOfDay },
      [
        {
          $set: {
            windows: lessInWindows(subtraction),
            ...lessRecorded(subtraction),
            [returnedHere]: sequence,
          },
        },
      ],
    );
    if (matchedCount === 0) await applyToHistory(sequence, tenantId, { ...subtraction, prefix: '' }, day);
  }

  /** The day may be over since the charge. */
  async function applyToHistory(
    sequence: number,
    tenantId: string,
    subtraction: Subtraction,
    day: number,
  ): Promise<void> {
    const ledger = await models.ledgers
      .findById(tenantId, { 'windows.day': 1, [returnedHere]: 1 })
      .lean<LedgerDoc>();
    const isOver = (ledger?.windows?.day?.at ?? 0) > day;
    if (!isOver || (ledger?.returned?.[instance] ?? 0) >= sequence) return;
    await dayEnds.seal([tenantId]);
    const { calls } = subtraction;
    const before = await models.usageDays.collection.findOneAndUpdate(
      {
        _id: usageDayId(tenantId, nameOfDay(day)) as never,
        [returnedHere]: { $not: { $gte: sequence } },
        calls: { $gte: calls },
      },
      [
        {
          $set: {
            calls: { $subtract: ['$calls', calls] },
            ...lessRecorded(subtraction),
            [returnedHere]: sequence,
          },
        },
      ],
      { returnDocument: 'before' },
    );
    const past = Math.min(calls, before?.overage?.used ?? 0);
    if (past > 0)
      await ledgers.updateOne(
        {
          _id: tenantId as never,
          'windows.overage.at': monthOfDay(day),
          'windows.overage.used': { $gte: past },
        },
        { $inc: { 'windows.overage.used': -past } },
      );
  }

  async function applyUntilDone(tenantId: string, charges: readonly Charge[], atMs: number): Promise<void> {
    const sequence = ++last;
    let waitMs = FIRST_RETRY_MS;
    for (let tries = 1; ; tries++) {
      try {
        return await applyOnce(sequence, tenantId, charges, atMs);
      } catch (error) {
        if (tries === MAX_TRIES || stopping) {
          log.error({ err: error, tenantId, calls: sumOf(charges) }, 'calls.not_returned');
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, waitMs).unref());
        waitMs = Math.min(waitMs * 2, MAX_RETRY_MS);
      }
    }
  }

  return {
    async apply(tenantId, charges, atMs) {
      const before = lastOfTenant.get(tenantId) ?? Promise.resolve();
      const one = before.then(() => applyUntilDone(tenantId, charges, atMs));
      lastOfTenant.set(tenantId, one);
      running.add(one);
      // The response to the client does not wait for an unreachable database.
      await Promise.race([
        one.finally(() => {
          running.delete(one);
          if (lastOfTenant.get(tenantId) === one) lastOfTenant.delete(tenantId);
        }),
        new Promise((resolve) => setTimeout(resolve, 500).unref()),
      ]);
    },
    async idle() {
      stopping = true;
      await Promise.all(running);
    },
  };
}

/** The minute and the month change only if they are those of the charge. */
function lessInWindows(subtraction: Subtraction): object {
  const { calls, atMs } = subtraction;
  const less = (name: WindowName, taken: number | object) => ({
    $mergeObjects: [`$windows.${name}`, { used: notBelow0({ $subtract: [`$windows.${name}.used`, taken] }) }],
  });
  const lessAt = (name: WindowName, at: number, taken: number | object) => ({
    $cond: [{ $eq: [`$windows.${name}.at`, at] }, less(name, taken), `$windows.${name}`],
  });
  return {
    $mergeObjects: [
      '$windows',
      {
        day: less('day', calls),
        minute: lessAt('minute', minuteOf(atMs), calls),
        overage: lessAt('overage', monthOfDay(dayNumberOf(atMs)), overageTaken(subtraction)),
      },
    ],
  };
}
