import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { invalidRequest, MockStripeError, serverError } from '../http/errors.js';
import type { Log } from '../log.js';
import type { MockStripe } from '../mockStripe.js';
import { pageRoutes } from '../pages/routes.js';
import { controlRoutes } from './controls.js';

const MAX_BODY_BYTES = 1_048_576;

export interface ServeOptions {
  /** 0: any that is free. */
  port: number;
  host?: string;
  log: Log;
  /** What `POST /mock/trigger` buys where a request names no price. */
  defaultPrice?: string | undefined;
}

/** A mock that listens. */
export interface ServedMock {
  /** For instance `http://127.0.0.1:12111`. */
  url: string;
  /** Ends the connections; the mock itself goes on. */
  close(): Promise<void>;
}

/** Serves Stripe's API, the pages, the clock and the trigger on a port. @throws Error when the port is taken */
export async function serveMockStripe(
  mock: MockStripe,
  { port, host = '127.0.0.1', log, defaultPrice }: ServeOptions,
): Promise<ServedMock> {
  const pages = pageRoutes(mock).map((route) => ({ ...route, segments: route.path.split('/') }));
  const controls = controlRoutes(mock, defaultPrice);

  async function answer(method: string, path: string, body: string, headers: Headers): Promise<Response> {
    const url = new URL(`http://stripe.mock${path}`);
    const control = method === 'POST' ? controls[url.pathname] : undefined;
    if (control) return Response.json(await control(body));
    const given = url.pathname.split('/');
    for (const { method: wanted, segments, handle } of pages) {
      if (wanted !== method || segments.length !== given.length) continue;
      if (!segments.every((segment, index) => segment === ':sessionId' || segment === given[index])) continue;
      const sessionId = given[segments.indexOf(':sessionId')] ?? '';
      const page = await handle(decodeURIComponent(sessionId), new URLSearchParams(body));
      return new Response(page.body || null, page);
    }
    return mock.fetch(url, { method, headers, body: method === 'POST' ? body : null });
  }

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    try {
      const body = await readBody(request);
      const { status, headers, ...rest } = await outcome(() => answer(method, url, body, headersOf(request)));
      response.writeHead(status, headers).end(rest.body);
    } catch (error) {
      // The mock loses connections when a test asks for it.
      log.debug({ event: 'mock.connection.lost', err: error }, `[MOCK] ${method} ${url} lost its connection`);
      request.socket.destroy();
    }
  }

  async function outcome(work: () => Promise<Response>) {
    try {
      const answered = await work();
      return {
        status: answered.status,
        headers: Object.fromEntries(answered.headers),
        body: await answered.text(),
      };
    } catch (error) {
      if (isConnectionLoss(error)) throw error;
      const failure = asMockStripeError(error);
      if (failure.status === 500)
        log.error({ event: 'mock.request.failed', err: error }, '[MOCK] request failed');
      const headers = { 'content-type': 'application/json' };
      return { status: failure.status, headers, body: JSON.stringify({ error: failure.body }) };
    }
  }

  const server = createServer((request, response) => void respond(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error('the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function headersOf({ headersDistinct }: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(headersDistinct))
    for (const value of values) headers.append(name, value);
  return headers;
}

const isConnectionLoss = (error: unknown): boolean =>
  error instanceof TypeError && 'code' in error && error.message === 'fetch failed';

/** Errors of the SDK, which the trigger uses, say what the API answered. */
function asMockStripeError(error: unknown): MockStripeError {
  if (error instanceof MockStripeError) return error;
  if (error instanceof URIError || (error as { code?: unknown }).code === 'ERR_INVALID_URL')
    return invalidRequest('The request has a malformed URL.');
  const { statusCode, message } = error as { statusCode?: number; message: string };
  return statusCode ? invalidRequest(message, {}, statusCode) : serverError();
}
