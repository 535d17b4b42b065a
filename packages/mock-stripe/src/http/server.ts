import { setTimeout as sleep } from 'node:timers/promises';
import Stripe from 'stripe';
import { eventWriter } from '../events.js';
import { connectionLost, type Failures, injectedError } from '../failures.js';
import { requestId } from '../ids.js';
import type { Log } from '../log.js';
import type { Call, Operation } from '../operation.js';
import type { MockClock } from '../storage/clock.js';
import type { StoredAnswer } from '../storage/documents.js';
import type { Store, Tx } from '../storage/store.js';
import { invalidRequest, MockStripeError, serverError, unauthorized } from './errors.js';
import { expandPaths } from './expand.js';
import { decodeForm } from './form.js';
import { fingerprintOf, type Idempotency } from './idempotency.js';
import { parseParams } from './params.js';
import { createRouter } from './router.js';

const MAX_KEY_CHARS = 255;
const REMEMBERED = new Set([402, 500]);

export interface ServerDeps {
  store: Store;
  clock: MockClock;
  idempotency: Idempotency;
  failures: Failures;
  operations: readonly Operation[];
  log: Log;
  publicUrl: () => string;
  taxPercent: string;
  pageUrl: Call['pageUrl'];
  /** Called after a change was committed. */
  changed: () => void;
  /** Called for every request, with its method and path. */
  asked: (request: string) => void;
}

interface Exchange {
  id: string;
  method: string;
  path: string;
  /** The parameters as they came, for the fingerprint. */
  encoded: string;
  key: string | null;
}

/** @returns Stripe's HTTP interface as a function, without a port */
export function createServer(deps: ServerDeps): typeof fetch {
  const route = createRouter(deps.operations);

  async function answer(exchange: Exchange): Promise<StoredAnswer> {
    const { method, path, encoded, key } = exchange;
    const { operation, id } = route(method, path);
    const form = decodeForm(encoded);
    const params = parseParams(operation.params, form);
    const expand = (params as { expand?: string[] } | undefined)?.expand ?? [];
    const nowS = await deps.clock.nowS();
    const request = { id: exchange.id, idempotency_key: key };
    const { publicUrl, pageUrl, taxPercent } = deps;

    const work = async (tx: Tx): Promise<StoredAnswer> => {
      const emit = eventWriter(deps.store, tx, nowS, request);
      const result = await operation.run(
        { tx, nowS, machineNowS: deps.clock.atS(0), emit, publicUrl, taxPercent, pageUrl, id, path },
        params,
      );
      return {
        status: 200,
        body: JSON.stringify(await expandPaths(tx, result, expand), null, 2),
        // By the mock's clock, like the times in its objects.
        headers: { Date: new Date(nowS * 1000).toUTCString() },
      };
    };
    if (method === 'GET') return work(deps.store.read);
    const changed = key
      ? await deps.idempotency.once(key, fingerprintOf(method, path, encoded), work)
      : await deps.store.transaction(work);
    deps.changed();
    return changed;
  }

  async function answerOrError(exchange: Exchange, apiKey: string | null): Promise<StoredAnswer> {
    const { key, method, path, encoded } = exchange;
    const injected = deps.failures.take(method, path);
    try {
      authenticate(apiKey);
      if (key && key.length > MAX_KEY_CHARS) {
        throw invalidRequest(`Idempotency keys are at most ${MAX_KEY_CHARS} characters long.`);
      }
      if (injected?.kind === 'slow') {
        const slow = await answer(exchange);
        await sleep(injected.delayMs ?? 0);
        return slow;
      }
      if (injected?.kind === 'connection') {
        if (injected.phase === 'after') await answer(exchange);
        throw connectionLost(injected.phase ?? 'before');
      }
      if (injected?.phase === 'after') await answer(exchange);
      if (injected) throw injectedError(injected.kind);
      return await answer(exchange);
    } catch (error) {
      if (isConnectionLoss(error)) throw error;
      const stripeError = error instanceof MockStripeError ? error : serverError();
      if (stripeError !== error)
        deps.log.error({ event: 'mock.request.failed', err: error }, `[MOCK] ${method} ${path} failed`);
      const failed = errorAnswer(stripeError, exchange.id);
      const keep = injected ? injected.remembered === true : REMEMBERED.has(stripeError.status);
      if (key && keep && stripeError === error) {
        await deps.idempotency.remember(key, fingerprintOf(method, path, encoded), failed);
      }
      return failed;
    }
  }

  return async (input, init) => {
    const request = new Request(input, init);
    const url = new URL(request.url);
    const exchange: Exchange = {
      id: requestId(),
      method: request.method,
      path: url.pathname,
      encoded: request.method === 'POST' ? await request.text() : url.search.slice(1),
      key: request.method === 'POST' ? request.headers.get('idempotency-key') : null,
    };
    deps.asked(`${exchange.method} ${exchange.path}`);
    const startedMs = performance.now();
    const { status, body, headers } = await answerOrError(exchange, apiKeyOf(request));
    const tookMs = Math.round(performance.now() - startedMs);
    deps.log.info(
      { event: 'mock.request', requestId: exchange.id, tookMs },
      `[MOCK] ${exchange.method} ${exchange.path} ${status}`,
    );
    request.signal.throwIfAborted();
    return new Response(body, {
      status,
      headers: {
        'Content-Type': 'application/json',
        'Request-Id': exchange.id,
        'Stripe-Version': Stripe.API_VERSION,
        ...(exchange.key ? { 'Idempotency-Key': exchange.key } : {}),
        ...headers,
      },
    });
  };
}

function apiKeyOf(request: Request): string | null {
  const [scheme, credentials = ''] = (request.headers.get('authorization') ?? '').split(' ');
  if (scheme?.toLowerCase() === 'bearer') return credentials;
  if (scheme?.toLowerCase() === 'basic') return atob(credentials).split(':')[0] ?? null;
  return null;
}

/** @throws MockStripeError (401) unless the key is one for test mode */
function authenticate(apiKey: string | null): void {
  if (!apiKey) {
    throw unauthorized('You did not provide an API key. Use the Authorization header with a Bearer key.');
  }
  if (!/^(sk|rk)_test_\w+$/.test(apiKey))
    throw unauthorized('Invalid API Key provided. The mock takes sk_test_ keys.');
}

const isConnectionLoss = (error: unknown): boolean => error instanceof TypeError && 'code' in error;

function errorAnswer({ status, body, headers }: MockStripeError, id: string): StoredAnswer {
  const retry: Record<string, string> = status === 400 ? { 'Stripe-Should-Retry': 'false' } : {};
  const log = { request_log_url: `https://dashboard.stripe.com/test/logs/${id}` };
  return {
    status,
    body: JSON.stringify({ error: { ...body, ...log } }, null, 2),
    headers: { ...retry, ...headers },
  };
}
