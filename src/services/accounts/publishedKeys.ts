import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { serviceUnavailable } from '../../common/errors.js';
import { within } from '../infrastructure/within.js';

/** The keys with which the identity provider signs, as it publishes them. */
export interface PublishedKeys {
  /**
   * Finds the key that a token's header names.
   * @throws JWKSNoMatchingKey; SERVICE_UNAVAILABLE if the provider does not answer and the key is not known yet
   */
  find: JWTVerifyGetKey;
  /** Loads the keys in the background, so that the first token does not wait for them. */
  preload(): void;
}

/** Older keys are loaded again in the background. */
const FRESH_MS = 10 * 60_000;
/** How long keys work while the provider does not answer. */
const MAX_AGE_MS = 24 * 3_600_000;
/** Minimum time between two requests to the provider, however many tokens name unknown keys. */
const ASK_AGAIN_MS = 5_000;
const TIMEOUT_MS = 5_000;
/** Less than a service waits for its decisions, which share a request with this token's. */
const MAX_WAIT_MS = 1_000;
const MAX_BYTES = 262_144;

export function createPublishedKeys(deps: { url: URL; clock: Clock; log: Logger }): PublishedKeys {
  const { url, clock, log } = deps;
  let loaded: { select: JWTVerifyGetKey; atMs: number } | null = null;
  let loading: Promise<void> | null = null;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let isAway = false;

  async function load(): Promise<void> {
    askedAtMs = clock.now();
    try {
      loaded = { select: createLocalJWKSet(await fetchKeys(url)), atMs: clock.now() };
      isAway = false;
    } catch (error) {
      isAway = true;
      log.warn({ err: error }, 'jwt.keys_not_loaded');
    }
  }

  /** Shares a running request, and starts one if the last is long enough ago. */
  async function refresh(): Promise<void> {
    if (!loading && clock.now() - askedAtMs < ASK_AGAIN_MS) return;
    loading ??= load().finally(() => {
      loading = null;
    });
    await loading;
  }

  function usable() {
    return loaded && clock.now() - loaded.atMs < MAX_AGE_MS ? loaded : null;
  }

  return {
    preload: () => void refresh(),
    async find(header, token) {
      const known = usable();
      if (known && clock.now() - known.atMs >= FRESH_MS) void refresh();
      try {
        if (known) return await known.select(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      }
      // The key may have been published since.
      await within(MAX_WAIT_MS, refresh()).catch(() => undefined);
      const newest = usable();
      if (!newest || (newest === known && (isAway || loading)))
        throw serviceUnavailable('The keys of the identity provider cannot be read; try again shortly');
      return newest.select(header, token);
    },
  };
}

/** Redirects are not followed: the keys are trusted because of where they are. */
async function fetchKeys(url: URL): Promise<JSONWebKeySet> {
  const headers = { accept: 'application/json' };
  const response = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop closes the connection.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error(`The key set has more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  if (response.status !== 200) throw new Error(`The key set's URL answered ${response.status}`);
  return JSON.parse(Buffer.concat(chunks).toString());
}
