import http from 'node:http';
import https from 'node:https';

/** Posts JSON to one address over persistent connections. */
export interface HttpConnection {
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

  return {
    post(body) {
      return new Promise((resolve, reject) => {
        const length = Buffer.byteLength(body);
        const headers = { ...options.headers, 'content-type': 'application/json', 'content-length': length };
        const posted = request(url, { method: 'POST', agent, headers });
        const late = setTimeout(() => posted.destroy(new Error(`No answer in ${timeoutMs} ms`)), timeoutMs);
        posted.on('response', (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            text += chunk;
            if (text.length > MAX_ANSWER_LENGTH) posted.destroy(new Error('The answer is too long'));
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
          response.on('error', reject);
        });
        posted.on('error', reject);
        posted.on('close', () => clearTimeout(late));
        posted.end(body);
      });
    },
  };
}
