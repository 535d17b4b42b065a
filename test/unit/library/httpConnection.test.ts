import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { createHttpConnection } from '../../../packages/limits/src/remote/httpConnection.js';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A connection to a server that answers so. */
async function connectionTo(listener: RequestListener, timeoutMs = 10_000) {
  server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = new URL(`http://127.0.0.1:${port}/graphql`);
  return createHttpConnection(url, { headers: { 'x-api-key': 'secret' }, timeoutMs });
}

it('posts JSON with its headers, and returns status and text', async () => {
  const connection = await connectionTo(async (request, response) => {
    const sent = (await request.toArray()).join('');
    const { method, url, headers } = request;
    const told = { method, url, type: headers['content-type'], key: headers['x-api-key'], sent };
    response.writeHead(418).end(JSON.stringify(told));
  });
  const { status, body } = await connection.post('{"a":"ü"}');
  expect(status).toBe(418);
  expect(JSON.parse(body)).toEqual({
    method: 'POST',
    url: '/graphql',
    type: 'application/json',
    key: 'secret',
    sent: '{"a":"ü"}',
  });
});

it('asks again over the connection that is open', async () => {
  const ports = new Set<number | undefined>();
  const connection = await connectionTo((request, response) => {
    ports.add(request.socket.remotePort);
    response.end('{}');
  });
  for (let i = 0; i < 5; i++) await connection.post('{}');
  expect(ports.size).toBe(1);
});

it.each<[string, RequestListener, RegExp]>([
  ['does not come', () => undefined, /No answer in 100 ms/],
  ['stops midway', (_, response) => response.write('{'), /No answer in 100 ms|aborted/],
  [
    'is cut off',
    (_, response) => response.writeHead(200, { 'content-length': 9 }).write('{', () => response.destroy()),
    /aborted|hang up/,
  ],
  ['never ends', (_, response) => response.end('x'.repeat(5_000_000)), /too long|aborted/],
])('fails when the answer %s', async (_, listener, fault) => {
  const timeoutMs = fault.source.includes('100 ms') ? 100 : 10_000;
  const connection = await connectionTo(listener, timeoutMs);
  await expect(connection.post('{}')).rejects.toThrow(fault);
});
