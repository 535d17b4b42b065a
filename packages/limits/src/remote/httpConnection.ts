import http from 'node:http';
import https from 'node:https';

/** Posts JSON to one address, over connections that stay open. */
export interface HttpConnection {
  /** @throws an Error when there is no whole answer in time */
  post(body: string): Promise<HttpAnswer>;
}

export interface HttpAnswer {
  status: number;
  body: string;
}

/** Less than a server or a proxy before it waits for the next request: it must not end a connection that is being used. */
const IDLE_MS = 4_000;
const MAX_ANSWER_LENGTH = 4 * 1_048_576;

/**
 * Node's own client. Its `fetch` is twice the processor time for an answer, and leaves so much behind that every second
 * decisions wait 20 ms for the garbage collector.
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
