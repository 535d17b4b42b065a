import type { Logger } from 'pino';
import { stripeAuthor } from '../../audit/author.js';
import { createGate } from '../../infrastructure/gate.js';
import type { Metrics } from '../../infrastructure/metrics.js';
import type { SubscriptionSync } from '../sync/subscriptionSync.js';
import type { CustomerQueues, LeasedQueue } from './customerQueues.js';
import { type EventOutcome, outcomeOf } from './eventEffects.js';
import { readEvent } from './receivedEvent.js';

/** What became of a queue: its events are applied or ignored, or what they grant was written, or nothing. */
export type BurstOutcome =
  | Extract<EventOutcome, { kind: 'applied' | 'ignored' }>
  | { kind: 'granted' }
  | { kind: 'open' };

/** Applies the events of many customers with less than a request to Stripe for each. */
export interface Bursts {
  /**
   * Writes what a queue's events grant, from the events themselves. The customer still has to be fetched.
   * @returns whether it was written
   */
  grant(queue: LeasedQueue): Promise<boolean>;
  /**
   * Writes what many queues' events grant, then lists their subscriptions.
   * @param ended called once for each queue. `granted` and `open`: the customer has to be fetched by itself.
   * @param pace resolves when the next customer may be written; false: no more
   */
  settle(
    queues: readonly LeasedQueue[],
    ended: (queue: LeasedQueue, outcome: BurstOutcome) => Promise<void>,
    pace: () => Promise<boolean>,
  ): Promise<void>;
}

const MAX_WRITES = 16;
/** Events of one second; more tell nothing. */
const MAX_TRIED = 3;

export function createBursts(deps: {
  queues: Pick<CustomerQueues, 'payloadOf'>;
  sync: Pick<SubscriptionSync, 'grant' | 'syncListed'>;
  metrics: Metrics;
  log: Logger;
}): Bursts {
  const { queues, sync, metrics, log } = deps;

  /** An error ends no more than the attempt: the fetch that follows meets it again, and is retried. */
  const grant: Bursts['grant'] = async ({ queue, grants }) => {
    try {
      for (const { eventId, occurredAt } of grants.slice(0, MAX_TRIED)) {
        const payload = await queues.payloadOf(eventId);
        if (payload === null) continue;
        const { subject: subscription } = readEvent(payload);
        const snapshot = { subscription, occurredAt };
        if (!(await sync.grant(customerOf(queue), snapshot, stripeAuthor(eventId)))) continue;
        metrics.eventsHandled('granted', 1);
        log.info({ queue, event: eventId }, 'webhook.granted');
        return true;
      }
    } catch (error) {
      log.warn({ err: error, queue }, 'webhook.grant_failed');
    }
    return false;
  };

  return {
    grant,

    async settle(all, ended, pace) {
      const writes = createGate({ maxUnits: MAX_WRITES });
      const granted = new Set<string>();
      await Promise.all(
        all
          .filter(({ grants }) => grants.length > 0)
          .map((one) =>
            writes.run('', 1, async () => {
              if ((await pace()) && (await grant(one))) granted.add(one.queue);
            }),
          ),
      );
      const open = (one: LeasedQueue) => ended(one, { kind: granted.has(one.queue) ? 'granted' : 'open' });
      const listed = new Map<string, LeasedQueue>();
      const changed = all.flatMap((one) => {
        if (!one.listed || !one.newest) return [];
        const stripeCustomerId = customerOf(one.queue);
        listed.set(stripeCustomerId, one);
        const { id: stripeSubscriptionId, createdAt } = one.listed;
        return { stripeCustomerId, stripeSubscriptionId, createdAt, author: stripeAuthor(one.newest) };
      });
      const inList = new Set(listed.values());
      await Promise.all([
        ...all.filter((one) => !inList.has(one)).map(open),
        sync.syncListed(
          changed,
          async (stripeCustomerId, outcome) => {
            const one = listed.get(stripeCustomerId);
            if (one) await (outcome ? ended(one, outcomeOf(outcome)) : open(one));
          },
          pace,
        ),
      ]);
    },
  };
}

/** Only queues of customers have events with subscriptions. */
const customerOf = (queue: string): string => queue.slice(queue.indexOf(':') + 1);
