import { BillingClientError, isBillingError } from './errors.js';
import type { RecordUsageMutation } from './generated/operations.js';
import type { TenantArguments } from './operations.js';
import type { RejectedEvent, TakenEvent } from './usageEvent.js';

/** Sends a batch of one tenant. */
export type SendEvents = (
  tenant: TenantArguments,
  events: TakenEvent[],
) => Promise<NonNullable<RecordUsageMutation['recordUsage']>>;

/** Events that wait, oldest first, by tenant: a request is about one tenant. */
export interface EventQueues {
  /** @returns whether the tenant has as many events as are sent together */
  add(tenant: TenantArguments, event: TakenEvent): boolean;
  /** Events that the server has not answered. */
  readonly waiting: number;
  /** Whether any tenant has. */
  hasFullBatch(): boolean;
  /**
   * Sends what waits now. A tenant whose batch fails does not hold up the others.
   * @throws the first error; the events of its batch wait as before
   */
  sendAll(): Promise<void>;
}

/** Tenants whose batches are sent at the same time. */
const MAX_CONCURRENT = 4;
/** Errors about the events or their tenant, which the same batch would meet again. */
const FINAL = ['BAD_USER_INPUT', 'NOT_FOUND', 'PAYLOAD_TOO_LARGE'];

interface TenantQueue {
  tenant: TenantArguments;
  events: TakenEvent[];
}

/** @param onAnswered called whenever events left, with those that were not counted */
export function createEventQueues(deps: {
  sendEvents: SendEvents;
  batchSize: number;
  onAnswered: (rejected: RejectedEvent[]) => void;
}): EventQueues {
  const { sendEvents, batchSize, onAnswered } = deps;
  const queues = new Map<string, TenantQueue>();
  let waiting = 0;

  async function sendOldest({ tenant, events }: TenantQueue, count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      const batch = events.slice(0, Math.min(batchSize, left));
      const rejected = await outcomeOf(tenant, batch);
      events.splice(0, batch.length);
      left -= batch.length;
      waiting -= batch.length;
      onAnswered(rejected);
    }
  }

  /** @returns the events that were not counted; @throws if it is not known whether they were */
  async function outcomeOf(tenant: TenantArguments, batch: TakenEvent[]): Promise<RejectedEvent[]> {
    try {
      return rejectedOf(tenant, batch, await sendEvents(tenant, batch));
    } catch (error) {
      if (!isBillingError(error) || !FINAL.includes(error.code)) throw error;
      const reason = error.message;
      return batch.map((event) => ({ event: { ...tenant, ...event }, status: 'REJECTED', reason }));
    }
  }

  return {
    add(tenant, event) {
      const key = JSON.stringify([tenant.tenantId, tenant.externalId]);
      const queue = queues.get(key) ?? { tenant, events: [] };
      queues.set(key, queue);
      queue.events.push(event);
      waiting++;
      return queue.events.length >= batchSize;
    },
    get waiting() {
      return waiting;
    },
    hasFullBatch: () => [...queues.values()].some(({ events }) => events.length >= batchSize),
    async sendAll() {
      const turns = [...queues].map(([key, queue]) => ({ key, queue, count: queue.events.length }));
      const errors: unknown[] = [];
      const work = async () => {
        for (let turn = turns.shift(); turn; turn = turns.shift()) {
          await sendOldest(turn.queue, turn.count).catch((error) => errors.push(error));
          if (turn.queue.events.length === 0) queues.delete(turn.key);
        }
      };
      await Promise.all(Array.from({ length: MAX_CONCURRENT }, work));
      if (errors.length > 0) throw errors[0];
    },
  };
}

/** @throws INVALID_RESPONSE if it is not known which result belongs to which event */
function rejectedOf(
  tenant: TenantArguments,
  batch: TakenEvent[],
  results: Awaited<ReturnType<SendEvents>>,
): RejectedEvent[] {
  if (results.length !== batch.length)
    throw new BillingClientError('INVALID_RESPONSE', `${batch.length} events have ${results.length} results`);
  return results.flatMap(({ status, reason }, i) =>
    status === 'REJECTED' || status === 'CONFLICT'
      ? [{ event: { ...tenant, ...(batch[i] as TakenEvent) }, status, reason: reason ?? '' }]
      : [],
  );
}
