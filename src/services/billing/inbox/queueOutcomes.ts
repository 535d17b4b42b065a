import { createGroupCommit } from '@continuum-billing/limits/core';
import type { mongo } from 'mongoose';
import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';
import { EventUrgency, type WebhookEventDoc, WebhookEventStatus } from '../../../models/webhookEvent.js';

/** Records what became of a leased queue's events. Those of many queues are written in one statement. */
export interface QueueOutcomes {
  /** @param note what an operator should know about it */
  applied(note: string | null): Promise<void>;
  ignored(reason: string): Promise<void>;
  /** @param queue of the customer, which the events did not name */
  moved(queue: string): Promise<void>;
  /** Events that were due wait for a retry, or become FAILED after the last one. */
  failed(error: string): Promise<void>;
  /**
   * The events stay due, and their customer has to be fetched by itself. This does not count as an attempt.
   * @param isGranted what they grant was written, so that others go first
   */
  putBack(isGranted: boolean): Promise<void>;
}

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15 * 60_000;
/** About a day of retries. */
const MAX_ATTEMPTS = 100;
/** What waits to be written. */
const MAX_WAITING = 10_000;

/**
 * The outcome of an event need not reach the disk. If it is lost, the event is pending again and is applied with the
 * state that Stripe has then.
 */
export const QUICK = { writeConcern: { w: 1 } } as const;

const { PENDING, APPLIED, IGNORED, FAILED } = WebhookEventStatus;

type Update = mongo.AnyBulkWriteOperation<WebhookEventDoc>;

interface Waiting {
  operation: Update;
  resolve(): void;
  reject(error: unknown): void;
}

/** A lease of a queue. */
interface Claim {
  queue: string;
  token: string;
  /** When it began. */
  now: Date;
}

export function createQueueOutcomes({ models, clock }: { models: Models; clock: Clock }) {
  const events = models.connection.collection<WebhookEventDoc>(models.webhookEvents.collection.name);

  const writes = createGroupCommit<Waiting>(async (batch) => {
    try {
      await events.bulkWrite(
        batch.map(({ operation }) => operation),
        { ordered: false, ...QUICK },
      );
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }, MAX_WAITING);

  const write = (
    filter: mongo.Filter<WebhookEventDoc>,
    update: mongo.UpdateFilter<WebhookEventDoc> | mongo.Document[],
  ) =>
    new Promise<void>((resolve, reject) =>
      writes.submit({ operation: { updateMany: { filter, update } }, resolve, reject }),
    );

  const ended = (state: WebhookEventStatus, reason: string | null) => ({
    $set: { state, reason, lastError: null, claim: null, endedAt: new Date(clock.now()) },
  });

  function of({ queue, token, now }: Claim): QueueOutcomes {
    const mine = { state: PENDING, lane: queue, claim: token };
    const isDue = { $lte: ['$nextAttemptAt', now] };
    // As if the lease had not been.
    const attempts = { $subtract: ['$attempts', { $cond: [isDue, 1, 0] }] };
    return {
      applied: (note) => write(mine, ended(APPLIED, note)),
      ignored: (reason) => write(mine, ended(IGNORED, reason)),

      moved(to) {
        const customer = to.slice(to.indexOf(':') + 1);
        return write(mine, [{ $set: { lane: to, customer, claim: null, attempts } }]);
      },

      putBack(isGranted) {
        const urgency = isGranted ? { urgency: EventUrgency.CONFIRMS } : {};
        return write(mine, [{ $set: { claim: null, attempts, subscribedAt: null, ...urgency } }]);
      },

      failed(error) {
        const nowMs = clock.now();
        const isOver = { $gte: ['$attempts', MAX_ATTEMPTS] };
        const doubled = { $multiply: [FIRST_RETRY_MS, { $pow: [2, { $subtract: ['$attempts', 1] }] }] };
        const next = { $add: [new Date(nowMs), { $min: [doubled, MAX_RETRY_MS] }] };
        return write({ ...mine, nextAttemptAt: { $lte: now } }, [
          {
            $set: {
              lastError: { $literal: error },
              claim: null,
              nextAttemptAt: next,
              state: { $cond: [isOver, FAILED, PENDING] },
              endedAt: { $cond: [isOver, new Date(nowMs), null] },
            },
          },
        ]);
      },
    };
  }

  return {
    of,
    /** Ends events of a lease that were applied in the other format. */
    ignoreDuplicates: (eventIds: readonly string[], token: string): Promise<void> =>
      write(
        { _id: { $in: [...eventIds] }, state: PENDING, claim: token },
        ended(IGNORED, 'already applied: the event also arrived in the other format'),
      ),
  };
}
