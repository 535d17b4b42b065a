import http from 'node:http';
import https from 'node:https';

/** Gets and posts JSON at one address over persistent connections. */
export interface HttpConnection {
  /** @throws an Error if there is no complete response in time */
  get(): Promise<HttpAnswer>;
  /** @throws an Error if there is no complete response in time */
  post(body: string): Promise<HttpAnswer>;
}

export interface HttpAnswer {
  status: number;
  body: string;
}

/** Shorter than the keep-alive time of servers and proxies, so that they never close a connection that is about to be used. */
const IDLE_MS = 4_000;
const MAX_ANSWER_LENGTH = 4 * 1_048_576;

/**
 * Uses Node's `http` client. `fetch` takes twice the processor time for a response, and leaves so much garbage that once a
 * second decisions wait 20 ms for its collection.
 */
export function createHttpConnection(
  url: URL,
  options: { headers: Record<string, string>; timeoutMs: number },
): HttpConnection {
  const { timeoutMs } = options;
  const { Agent, request } = url.protocol === 'https:' ? https : http;
  const agent = new Agent({ keepAlive: true, timeout: IDLE_MS });

  const send = (body: string | null): Promise<HttpAnswer> =>
    new Promise((resolve, reject) => {
      const length = body !== null && { 'content-length': Buffer.byteLength(body) };
      const headers = {
        ...options.headers,
        ...(length && { 'content-type': 'application/json', ...length }),
      };
      const sent = request(url, { method: body === null ? 'GET' : 'POST', agent, headers });
      const late = setTimeout(() => sent.destroy(new Error(`No answer in ${timeoutMs} ms`)), timeoutMs);
      sent.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
          if (text.length > MAX_ANSWER_LENGTH) sent.destroy(new Error('The answer is too long'));
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
        response.on('error', reject);
      });
      sent.on('error', reject);
      sent.on('close', () => clearTimeout(late));
      sent.end(body ?? undefined);
    });

  return { get: () => send(null), post: send };
}
