import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { ADDRESS_NOT_ALLOWED, type WebhookTargets } from './webhookTargets.js';

/** The outcome of a request. Of the target's response it holds the status alone. */
export type WebhookResponse =
  | { status: number; retryAfter: string | null; error: null }
  | { status: null; retryAfter: null; error: string };

export type SendWebhook = (
  url: string,
  headers: Record<string, string>,
  body: string,
) => Promise<WebhookResponse>;

const TIMEOUT_MS = 10_000;
const MAX_HEADER_BYTES = 8_192;
/** Error codes of the system and of TLS. Text from the target is never repeated. */
const CODE = /^[A-Z][A-Z0-9_]{1,60}$/;

/**
 * Posts to an endpoint that we do not control. It connects only to addresses that were checked, does not follow
 * redirects, and does not read the response's body, which may be endless.
 */
export function createSendWebhook({ targets }: { targets: WebhookTargets }): SendWebhook {
  async function respond(url: URL, headers: Record<string, string>, body: string): Promise<WebhookResponse> {
    const response = await send(url, body, {
      method: 'POST',
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      lookup: targets.lookupFor(url) as RequestOptions['lookup'],
      maxHeaderSize: MAX_HEADER_BYTES,
      // A new connection, and no proxy, which would resolve the name again.
      agent: false,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    response.destroy();
    return {
      status: response.statusCode ?? 0,
      retryAfter: response.headers['retry-after'] ?? null,
      error: null,
    };
  }

  return async (text, headers, body) => {
    try {
      const url = new URL(text);
      // An endpoint may be older than a rule, and an address in the URL is never looked up.
      if (targets.errorOf(url) !== null) return failed(ADDRESS_NOT_ALLOWED);
      return await respond(url, headers, body);
    } catch (error) {
      return failed(error);
    }
  };
}

function send(url: URL, body: string, options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const sent = request(url, options);
    // The listener stays, because an error after the response must not end the process.
    sent.on('error', reject);
    // A 101 raises no response event; the connection just closes.
    sent.on('close', () => reject(new Error('The connection was closed')));
    sent.on('response', (response) => {
      response.on('error', () => undefined);
      resolve(response);
    });
    sent.end(body);
  });
}

function failed(cause: unknown): WebhookResponse {
  return {
    status: null,
    retryAfter: null,
    error: typeof cause === 'string' ? explain(cause) : codeOf(cause),
  };
}

function codeOf(thrown: unknown): string {
  const { name, code } = thrown as { name?: string; code?: unknown };
  if (name === 'AbortError' || name === 'TimeoutError') return `no response within ${TIMEOUT_MS / 1_000} s`;
  return typeof code === 'string' && CODE.test(code) ? explain(code) : 'the connection failed';
}

const explain = (code: string): string =>
  code === ADDRESS_NOT_ALLOWED
    ? `${code}: the URL leads to no address that WEBHOOK_ALLOWED_NETWORKS or the open internet has`
    : code;

const MAX_WAIT_MS = 24 * 3_600_000;

/**
 * How long a response's `Retry-After` asks to wait: seconds or an HTTP date, a day at most.
 * @returns 0 for none, for a date that has passed, and for what is neither
 */
export function retryAfterMs(header: string | null, nowMs: number): number {
  if (header === null) return 0;
  const waitMs = /^\s*\d+\s*$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
  return Number.isNaN(waitMs) ? 0 : Math.min(Math.max(0, waitMs), MAX_WAIT_MS);
}
