import type { Logger } from 'pino';
import type { Lease } from '../lease.js';
import type { Announcer } from './announcer.js';
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
const SENDERS = 8;

export function createOutgoingWebhooks(deps: {
  announcer: Announcer;
  deliveries: WebhookDeliveries;
  lease: Lease;
  log: Logger;
}): OutgoingWebhooks {
  const { announcer, deliveries, lease, log } = deps;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | null = null;
  let again = false;
  let stopping = false;

  async function sendAll(): Promise<void> {
    while (!stopping && (await deliveries.sendNext()));
  }

  async function pass(): Promise<void> {
    do {
      again = false;
      while (!stopping && (await lease.hold()) && (await announcer.announce()) > 0);
      await Promise.all(Array.from({ length: SENDERS }, sendAll));
    } while (again && !stopping);
  }

  async function run(): Promise<void> {
    again = true;
    running ??= pass().finally(() => {
      running = null;
    });
    await running;
  }

  const wake = () => {
    run().catch((error: unknown) => log.warn({ err: error }, 'webhooks of ours wait'));
  };

  return {
    run,
    wake,
    start() {
      timer = setInterval(wake, RUN_MS).unref();
    },
    async stop() {
      stopping = true;
      clearInterval(timer);
      await running?.catch(() => undefined);
      await lease.release();
    },
  };
}
