import type { createClient } from '@redis/client';
import type { Logger } from 'pino';

/** Redis, where it is configured: what instances decide together. It may go away at any time. */
export interface Redis {
  /**
   * Runs a Lua script in one atomic step.
   * @throws RedisUnavailable at once while Redis is away, else within 250 ms: decide without it
   */
  run(script: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** What the listener runs each time Redis has come (back), Redis does before anything else. */
  onConnected(listener: () => void): void;
  /** Resolves when it is there or known to be away; it is tried again from then on. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export class RedisUnavailable extends Error {
  override name = 'RedisUnavailable';
}

const COMMAND_TIMEOUT_MS = 250;
const CONNECT_TIMEOUT_MS = 1_000;
const RETRY_MS = 500;
/** Past it Redis is too slow to be asked. */
const MAX_WAITING = 10_000;
/** A Redis that is loading, full or a replica answers, but takes no writes: it counts as away. */
const PROBE = `return redis.call('SET', KEYS[1], '', 'PX', 1000)`;

type Client = ReturnType<typeof createClient>;

/**
 * One connection, made anew after every failure. While there is none nothing waits for it: a decision made late is
 * worth less than one made elsewhere.
 */
export function createRedis({ url, log }: { url: string; log: Logger }): Redis {
  const listeners: (() => void)[] = [];
  /** null while Redis is away. */
  let client: Client | null = null;
  let told = false;
  let stopped = false;
  let retry: NodeJS.Timeout | undefined;

  async function connect(): Promise<Client> {
    // Only with REDIS_URL: it is a large library to load.
    const { createClient } = await import('@redis/client');
    const fresh: Client = createClient({
      url,
      RESP: 2,
      disableClientInfo: true,
      disableOfflineQueue: true,
      commandsQueueMaxLength: MAX_WAITING,
      // Its own time limit ends when the command is sent; ours when it is answered.
      commandOptions: { timeout: 0 },
      socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: false },
    });
    fresh.on('error', (error: Error) => lose(fresh, error));
    try {
      await within(CONNECT_TIMEOUT_MS, fresh.connect());
      await within(COMMAND_TIMEOUT_MS, evaluate(fresh, PROBE, ['continuum:probe'], []));
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
      if (told) log.info('Redis is back');
      told = false;
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
    if (!told) {
      log.warn(
        `Redis is away (${message || code}): limits of fields are kept in MongoDB, concurrent requests counted by this instance alone`,
      );
    }
    told = true;
    retry = setTimeout(tryToConnect, RETRY_MS).unref();
  }

  return {
    async run(script, keys, args) {
      const asked = client;
      if (!asked) throw new RedisUnavailable('Redis is away');
      try {
        return await within(COMMAND_TIMEOUT_MS, evaluate(asked, script, keys, args));
      } catch (error) {
        lose(asked, error as Error);
        throw new RedisUnavailable('Redis has failed', { cause: error });
      }
    },
    onConnected(listener) {
      listeners.push(listener);
    },
    start: tryToConnect,
    async stop() {
      stopped = true;
      clearTimeout(retry);
      const last = client;
      client = null;
      // What was ended last still gives its slot back.
      if (last) await within(COMMAND_TIMEOUT_MS, last.close()).catch(() => end(last));
    },
  };
}

/** The source each time, not its digest: a restarted Redis knows no digests, and asking twice would change the order. */
function evaluate(
  client: Client,
  script: string,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  return client.sendCommand(['EVAL', script, String(keys.length), ...keys, ...args.map(String)]);
}

/** Whatever waits for an answer is rejected. */
function end(client: Client): void {
  if (client.isOpen) client.destroy();
}

function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`no answer within ${limitMs} ms`));
    // If this process itself was busy for long, the answer may be here already: it is read before the second step.
    const timer = setTimeout(() => setImmediate(late), limitMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
