import type { Logger } from 'pino';
import { chunksOf } from '../../../common/groups.js';
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
   * Writes what queues' events grant, from the events themselves. The customers still have to be fetched.
   * @returns the names of the queues of which it was written
   */
  grant(queues: readonly LeasedQueue[]): Promise<ReadonlySet<string>>;
  /**
   * Writes what many queues' events grant, then lists their subscriptions.
   * @param ended called once for each queue. `granted` and `open`: the customer has to be fetched by itself.
   * @param pace resolves when the next customers may be written; false: no more
   */
  settle(
    queues: readonly LeasedQueue[],
    ended: (queue: LeasedQueue, outcome: BurstOutcome) => Promise<void>,
    pace: () => Promise<boolean>,
  ): Promise<void>;
}

/** Queues that are granted in one transaction, and how many such batches are written at once. */
const BATCH = 16;
const MAX_BATCHES = 2;
/** Events of one second; more tell nothing. */
const MAX_TRIED = 3;

export function createBursts(deps: {
  queues: Pick<CustomerQueues, 'payloadsOf'>;
  sync: Pick<SubscriptionSync, 'grant' | 'syncListed'>;
  metrics: Metrics;
  log: Logger;
}): Bursts {
  const { queues, sync, metrics, log } = deps;

  /** An error ends no more than the attempt: the fetch that follows meets it again, and is retried. */
  const grant: Bursts['grant'] = async (all) => {
    try {
      const tried = all.map((one) => ({ ...one, grants: one.grants.slice(0, MAX_TRIED) }));
      const payloads = await queues.payloadsOf(
        tried.flatMap(({ grants }) => grants.map(({ eventId }) => eventId)),
      );
      const granted = await sync.grant(
        tried.map(({ queue, grants }) => ({
          stripeCustomerId: customerOf(queue),
          snapshots: grants.flatMap(({ eventId, occurredAt }) => {
            const payload = payloads.get(eventId);
            if (payload === undefined) return [];
            return { subscription: readEvent(payload).subject, occurredAt, author: stripeAuthor(eventId) };
          }),
        })),
      );
      const names = all.map(({ queue }) => queue).filter((queue) => granted.has(customerOf(queue)));
      metrics.eventsHandled('granted', names.length);
      for (const queue of names) log.info({ queue }, 'webhook.granted');
      return new Set(names);
    } catch (error) {
      log.warn({ err: error, queues: all.length }, 'webhook.grant_failed');
      return new Set();
    }
  };

  return {
    grant,

    async settle(all, ended, pace) {
      const batches = createGate({ maxUnits: MAX_BATCHES });
      const granted = new Set<string>();
      const granting = all.filter(({ grants }) => grants.length > 0);
      await Promise.all(
        chunksOf(granting, BATCH).map((batch) =>
          batches.run('', 1, async () => {
            if (await pace()) for (const queue of await grant(batch)) granted.add(queue);
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
