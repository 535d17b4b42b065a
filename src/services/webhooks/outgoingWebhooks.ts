import type { Logger } from 'pino';
import type { Lease } from '../infrastructure/lease.js';
import type { Announcer } from './outboxRelay.js';
import type { WebhookDeliveries } from './webhookDeliveries.js';

/** Announces and delivers beside the requests. One server announces; all deliver. */
export interface OutgoingWebhooks {
  start(): void;
  /** Something may have changed: looks at once. */
  wake(): void;
  /** Announces and sends until nothing is due. */
  run(): Promise<void>;
  stop(): Promise<void>;
}

const RUN_MS = 2_000;
/** Requests to one endpoint at a time. The number of endpoints is bounded, and so is the sum. */
const SENDERS_PER_ENDPOINT = 4;

export function createOutgoingWebhooks(deps: {
  announcer: Announcer;
  deliveries: WebhookDeliveries;
  lease: Lease;
  log: Logger;
}): OutgoingWebhooks {
  const { announcer, deliveries, lease, log } = deps;
  let timer: NodeJS.Timeout | undefined;
  let announcing: Promise<void> | null = null;
  let again = false;
  let stopping = false;
  /** Each endpoint has senders of its own, so that none waits for another. */
  const sending = new Map<string, Promise<void>>();

  async function announceAll(): Promise<void> {
    do {
      again = false;
      while (!stopping && (await lease.hold()) && (await announcer.announce()) > 0);
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

  async function announce(): Promise<void> {
    again = true;
    announcing ??= announceAll().finally(() => {
      announcing = null;
    });
    await announcing;
  }

  const wake = () => {
    announce().catch((error: unknown) => log.warn({ err: error }, 'webhook.announcing_failed'));
  };

  return {
    async run() {
      do {
        await Promise.all(sending.values());
        await announce();
      } while (sending.size > 0 && !stopping);
    },
    wake,
    start() {
      timer = setInterval(wake, RUN_MS).unref();
    },
    async stop() {
      stopping = true;
      clearInterval(timer);
      await announcing?.catch(() => undefined);
      await Promise.all(sending.values());
      await lease.release();
    },
  };
}
