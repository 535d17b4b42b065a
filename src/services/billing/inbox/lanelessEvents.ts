import type { mongo } from 'mongoose';
import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';
import { type WebhookEventDoc, WebhookEventStatus } from '../../../models/webhookEvent.js';
import { payloadText } from '../stripe/payload.js';
import { documentOf } from './eventIntake.js';
import { readEvent } from './receivedEvent.js';

/**
 * Events that wait and have no lane, so that no worker would ever find them: a version before there were lanes stored
 * them, or stores them still, while servers are exchanged one by one.
 */
export interface LanelessEvents {
  /** Gives each its lane, or its reason to have none, now and every minute. */
  start(): void;
  stop(): Promise<void>;
}

const LOOK_MS = 60_000;
const BATCH = 100;
const LANELESS = { state: WebhookEventStatus.PENDING, lane: null };

/** Versions before lanes kept the event itself, not its text. */
type EarlierDoc = Omit<WebhookEventDoc, 'payload'> & { payload: unknown };

/** @param deps.found some have a lane now */
export function createLanelessEvents(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  isLive: boolean | null;
  found: () => void;
}): LanelessEvents {
  const { models, clock, log, isLive, found } = deps;
  const events = models.connection.collection<EarlierDoc>(models.webhookEvents.collection.name);
  let timer: NodeJS.Timeout | null = null;
  let looking: Promise<void> | null = null;
  let stopped = false;

  /** Each has a lane or an end after; what several servers write of one event is the same. */
  async function assignAll(): Promise<void> {
    for (let count = 0; !stopped; ) {
      const batch = await events
        .find(LANELESS, { projection: { payload: 1 } })
        .limit(BATCH)
        .toArray();
      if (batch.length === 0) {
        if (count > 0)
          log.info({ events: count }, 'webhook events of an earlier version have their lane now');
        return;
      }
      const updates = batch.map(({ _id, payload }) => ({
        updateOne: {
          filter: { _id, ...LANELESS },
          update: { $set: presentForm(payload, clock.now(), isLive) },
        },
      }));
      await events.bulkWrite(updates, { ordered: false });
      count += batch.length;
      found();
    }
  }

  function look(): void {
    looking ??= assignAll()
      .catch((error: unknown) => log.warn({ err: error }, 'the look for events without a lane failed'))
      .finally(() => {
        looking = null;
      });
  }

  return {
    start() {
      timer ??= setInterval(look, LOOK_MS).unref();
      look();
    },
    async stop() {
      stopped = true;
      if (timer) clearInterval(timer);
      await looking;
    },
  };
}

function presentForm(
  stored: unknown,
  nowMs: number,
  isLive: boolean | null,
): mongo.MatchKeysAndValues<EarlierDoc> {
  const payload = payloadText(stored);
  try {
    const { _id, receivedAt: _, ...form } = documentOf(readEvent(payload), nowMs, isLive);
    return form;
  } catch (error) {
    const lastError = (error as Error).message;
    return { payload, lastError, state: WebhookEventStatus.FAILED, endedAt: new Date(nowMs) };
  }
}
