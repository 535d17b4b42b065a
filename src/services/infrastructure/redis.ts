import type { createClient } from '@redis/client';
import type { Logger } from 'pino';
import { within } from './within.js';

/** Redis, if it is configured: the state that instances share. It may become unreachable at any time. */
export interface Redis {
  /**
   * Runs a Lua script in one atomic step.
   * @throws RedisUnavailable at once while Redis is unreachable, otherwise within `commandTimeoutMs`: decide without it
   */
  run(script: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** Whether commands can be sent now. */
  isConnected(): boolean;
  /** Calls the listener on each connection. The commands that it sends run before all others. */
  onConnected(listener: () => void): void;
  /** Resolves when Redis is connected or known to be unreachable. It reconnects from then on. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export class RedisUnavailable extends Error {
  override name = 'RedisUnavailable';
}

const COMMAND_TIMEOUT_MS = 250;
const CONNECT_TIMEOUT_MS = 1_000;
const RETRY_MS = 500;
/** With more waiting commands, Redis is too slow to use. */
const MAX_WAITING = 10_000;
/** A Redis that is loading, full or a replica answers but rejects writes: it counts as unreachable. */
const PROBE = `return redis.call('SET', KEYS[1], '', 'PX', 1000)`;

type Client = ReturnType<typeof createClient>;

/**
 * One connection, replaced after every failure. Without a connection commands fail at once instead of waiting: a late
 * decision is worth less than one made without Redis.
 */
export function createRedis({
  url,
  log,
  commandTimeoutMs = COMMAND_TIMEOUT_MS,
}: {
  url: string;
  log: Logger;
  commandTimeoutMs?: number;
}): Redis {
  const listeners: (() => void)[] = [];
  /** null while Redis is unreachable. */
  let client: Client | null = null;
  let logged = false;
  let stopped = false;
  let retry: NodeJS.Timeout | undefined;

  async function connect(): Promise<Client> {
    // Loaded only with REDIS_URL, because the library is large.
    const { createClient } = await import('@redis/client');
    const fresh: Client = createClient({
      url,
      RESP: 2,
      disableClientInfo: true,
      disableOfflineQueue: true,
      commandsQueueMaxLength: MAX_WAITING,
      // Its own time limit covers sending the command; ours covers the answer too.
      commandOptions: { timeout: 0 },
      socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: false },
    });
    fresh.on('error', (error: Error) => lose(fresh, error));
    try {
      await within(CONNECT_TIMEOUT_MS, fresh.connect());
      await within(commandTimeoutMs, evaluate(fresh, PROBE, ['continuum:probe'], []));
      if (stopped) throw new Error('stopped while connecting');
      return fresh;
    } catch (error) {
      end(fresh);
      throw error;
    }
  }

  async function tryToConnect(): Promise<void> {
    try {
      client = await connect();
      for (const listener of listeners) listener();
      if (logged) log.info('redis.available');
      logged = false;
    } catch (error) {
      tryAgainAfter(error as Error);
    }
  }

  function lose(lost: Client, reason: Error): void {
    if (client !== lost) return;
    client = null;
    end(lost);
    tryAgainAfter(reason);
  }

  function tryAgainAfter({ message, code }: Error & { code?: string }): void {
    if (stopped) return;
    if (!logged) {
      // Field limits are now kept in MongoDB, and concurrent requests counted by this instance alone.
      log.warn({ reason: message || code }, 'redis.unavailable');
    }
    logged = true;
    retry = setTimeout(tryToConnect, RETRY_MS).unref();
  }

  return {
    async run(script, keys, args) {
      const asked = client;
      if (!asked) throw new RedisUnavailable('Redis is not connected');
      try {
        return await within(commandTimeoutMs, evaluate(asked, script, keys, args));
      } catch (error) {
        lose(asked, error as Error);
        throw new RedisUnavailable('Redis has failed', { cause: error });
      }
    },
    isConnected: () => client !== null,
    onConnected(listener) {
      listeners.push(listener);
    },
    start: tryToConnect,
    async stop() {
      stopped = true;
      clearTimeout(retry);
      const last = client;
      client = null;
      // Let the operations that ended last release their slots.
      if (last) await within(commandTimeoutMs, last.close()).catch(() => end(last));
    },
  };
}

/** Sends the source, not its digest: a restarted Redis knows no digests, and a second request would change the order. */
function evaluate(
  client: Client,
  script: string,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  return client.sendCommand(['EVAL', script, String(keys.length), ...keys, ...args.map(String)]);
}

/** Closes the connection, and rejects the commands that wait for an answer. */
function end(client: Client): void {
  if (client.isOpen) client.destroy();
}
