import type { Logger } from 'pino';
import type { Lease } from '../infrastructure/lease.js';
import type { OutboxRelay } from './outboxRelay.js';
import type { WebhookDeliveries } from './webhookDeliveries.js';

/** Publishes and delivers events in the background. One instance publishes; all deliver. */
export interface OutgoingWebhooks {
  start(): void;
  /** Looks for changes now instead of at the next interval. */
  wake(): void;
  /** Publishes and sends until nothing is due. */
  run(): Promise<void>;
  stop(): Promise<void>;
}

const RUN_MS = 2_000;
/** Concurrent requests to one endpoint. The number of endpoints is bounded, so the total is too. */
const SENDERS_PER_ENDPOINT = 4;

export function createOutgoingWebhooks(deps: {
  relay: OutboxRelay;
  deliveries: WebhookDeliveries;
  lease: Lease;
  log: Logger;
}): OutgoingWebhooks {
  const { relay, deliveries, lease, log } = deps;
  let timer: NodeJS.Timeout | undefined;
  let publishing: Promise<void> | null = null;
  let again = false;
  let stopping = false;
  /** Senders by endpoint: a slow endpoint does not delay another. */
  const sending = new Map<string, Promise<void>>();

  async function publishAll(): Promise<void> {
    do {
      again = false;
      while (!stopping && (await lease.acquire()) && (await relay.publish()) > 0);
      for (const endpointId of await deliveries.dueEndpoints()) sendTo(endpointId);
    } while (again && !stopping);
  }

  function sendTo(endpointId: string): void {
    if (sending.has(endpointId)) return;
    const done = Promise.all(Array.from({ length: SENDERS_PER_ENDPOINT }, () => sendAll(endpointId)))
      .then(() => undefined)
      .finally(() => sending.delete(endpointId));
    sending.set(endpointId, done);
  }

  async function sendAll(endpointId: string): Promise<void> {
    try {
      while (!stopping && (await deliveries.sendNext(endpointId)));
    } catch (error) {
      log.warn({ err: error, endpoint: endpointId }, 'webhook.sending_failed');
    }
  }

  async function publish(): Promise<void> {
    again = true;
    publishing ??= publishAll().finally(() => {
      publishing = null;
    });
    await publishing;
  }

  const wake = () => {
    publish().catch((error: unknown) => log.warn({ err: error }, 'webhook.publish_failed'));
  };

  return {
    async run() {
      do {
        await Promise.all(sending.values());
        await publish();
      } while (sending.size > 0 && !stopping);
    },
    wake,
    start() {
      timer = setInterval(wake, RUN_MS).unref();
    },
    async stop() {
      stopping = true;
      clearInterval(timer);
      await publishing?.catch(() => undefined);
      await Promise.all(sending.values());
      await lease.release();
    },
  };
}
