import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { ADDRESS_NOT_ALLOWED, type WebhookTargets } from './webhookTargets.js';

/** What became of a request. It holds nothing that the target wrote but its status. */
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
/** Codes of the system and of TLS; what a target makes up is not repeated. */
const CODE = /^[A-Z][A-Z0-9_]{1,60}$/;

/**
 * Posts to a target of somebody else. It is connected to the addresses that were checked, redirects are not followed,
 * and the response's body is not read: it may be endless.
 */
export function createSendWebhook({ targets }: { targets: WebhookTargets }): SendWebhook {
  async function respond(url: URL, headers: Record<string, string>, body: string): Promise<WebhookResponse> {
    const response = await send(url, body, {
      method: 'POST',
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      lookup: targets.lookupFor(url) as RequestOptions['lookup'],
      maxHeaderSize: MAX_HEADER_BYTES,
      // A connection of its own, and no proxy that would resolve the name again.
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
      // Endpoints may be older than a rule; an address is not looked up when it is connected to.
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
    // The listener stays: a connection that breaks after the response must not end the process.
    sent.on('error', reject);
    // A response that is none (101) only closes the connection.
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
