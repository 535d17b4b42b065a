import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { LOOPBACK_WEBHOOKS, startTestServer, type TestServer } from '../support/server.js';

type Responder = (response: ServerResponse) => void;

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const clock = createFakeClock(Date.now());
let server: TestServer;
let receiver: Server;
let receiverUrl: string;
/** Tenants told of, by path. */
let received = new Map<string, string[]>();
let responders = new Map<string, Responder>();

const status =
  (code: number, headers: Record<string, string> = {}): Responder =>
  (response) =>
    response.writeHead(code, headers).end();

beforeAll(async () => {
  server = await startTestServer({ clock, env: LOOPBACK_WEBHOOKS });
  receiver = createServer((request, response) => {
    const path = request.url ?? '';
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const { data } = JSON.parse(Buffer.concat(chunks).toString());
      received.set(path, [...(received.get(path) ?? []), data.tenantId]);
      (responders.get(path) ?? status(200))(response);
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => receiver.once('listening', resolve));
  receiverUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await server.stop();
  receiver.closeAllConnections();
  receiver.close();
});
afterEach(async () => {
  responders = new Map();
  for (const { id } of await endpoints())
    await server.gql('mutation ($id: ID!) { deleteWebhookEndpoint(id: $id) }', { variables: { id } });
  await run();
  received = new Map();
});

const outgoing = () => server.app.services.outgoingWebhooks;
const run = () => outgoing().run();
const toldAt = (path: string) => received.get(path)?.length ?? 0;

interface Endpoint {
  id: string;
  url: string;
  status: string;
  statusReason: string | null;
  pausedAt: string | null;
  waitUntil: string | null;
}

async function endpoints(): Promise<Endpoint[]> {
  const { data } = await server.gql('{ webhookEndpoints { id url status statusReason pausedAt waitUntil } }');
  return data.webhookEndpoints;
}

const endpointAt = async (path: string) => (await endpoints()).find(({ url }) => url.endsWith(path));

async function createEndpoint(path: string): Promise<string> {
  const { data, errors } = await server.gql(
    'mutation ($url: String!) { createWebhookEndpoint(input: { url: $url }) { endpoint { id status } } }',
    { variables: { url: `${receiverUrl}${path}` } },
  );
  expect(errors).toEqual([]);
  expect(data.createWebhookEndpoint.endpoint.status).toBe('ENABLED');
  return data.createWebhookEndpoint.endpoint.id;
}

/** Makes one event. */
async function changeTier(): Promise<string> {
  const { id } = await server.createTenant();
  await server.setLimits(id, null, 'PRO');
  return id;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('an endpoint that keeps failing', () => {
  it('is paused visibly, is tried again with one delivery, and gets everything once one succeeds', async () => {
    await createEndpoint('/failing');
    responders.set('/failing', status(500));
    for (let i = 0; i < 12; i++) await changeTier();
    await run();
    const paused = await endpointAt('/failing');
    expect(paused).toMatchObject({
      status: 'PAUSED',
      statusReason: expect.stringMatching(/^1\d deliveries failed in a row, last: answered 500$/),
      pausedAt: new Date(clock.now()).toISOString(),
    });
    const tries = toldAt('/failing');
    // At most what was under way when the tenth failed.
    expect(tries).toBeLessThanOrEqual(13);
    clock.advance(MINUTE_MS);
    await run();
    expect(toldAt('/failing')).toBe(tries);
    clock.advance(60 * MINUTE_MS);
    await run();
    expect(toldAt('/failing')).toBe(tries + 1);
    expect((await endpointAt('/failing'))?.status).toBe('PAUSED');
    responders.clear();
    clock.advance(60 * MINUTE_MS);
    await run();
    expect(await endpointAt('/failing')).toMatchObject({
      status: 'ENABLED',
      pausedAt: null,
      waitUntil: null,
    });
    expect(new Set(received.get('/failing')).size).toBe(12);
    const { data } = await server.gql('{ webhookDeliveries(status: PENDING) { edges { node { id } } } }');
    expect(data.webhookDeliveries.edges).toEqual([]);
    clock.advance(-121 * MINUTE_MS);
  });

  it('can be enabled at once, and is disabled after fourteen days', async () => {
    const id = await createEndpoint('/failing');
    responders.set('/failing', status(500));
    for (let i = 0; i < 10; i++) await changeTier();
    await run();
    responders.clear();
    const before = toldAt('/failing');
    const enabled = await server.gql(
      'mutation ($id: ID!) { enableWebhookEndpoint(id: $id) { status statusReason waitUntil } }',
      { variables: { id } },
    );
    expect(enabled.data.enableWebhookEndpoint).toEqual({
      status: 'ENABLED',
      statusReason: null,
      waitUntil: null,
    });
    clock.advance(MINUTE_MS);
    await run();
    expect(toldAt('/failing')).toBe(before + 10);

    responders.set('/failing', status(500));
    for (let i = 0; i < 12; i++) await changeTier();
    await run();
    clock.advance(15 * DAY_MS);
    await run();
    expect(await endpointAt('/failing')).toMatchObject({
      status: 'DISABLED',
      statusReason: 'it failed for 14 days, last: answered 500',
    });
    clock.advance(-15 * DAY_MS - MINUTE_MS);
  });

  it('keeps no other waiting, whether it rejects, hangs, trickles or never ends its response', async () => {
    const hanging: ServerResponse[] = [];
    const trickling: NodeJS.Timeout[] = [];
    responders.set('/refuses', status(500));
    responders.set('/hangs', (response) => hanging.push(response));
    responders.set('/trickles', ({ socket }) => {
      socket?.write('HTTP/1.1 200 OK\r\n');
      trickling.push(setInterval(() => socket?.write('x: y\r\n'), 100));
    });
    responders.set('/endless', (response) => {
      response.writeHead(200);
      trickling.push(setInterval(() => response.write('x'.repeat(1_000)), 10));
    });
    for (const path of ['/refuses', '/hangs', '/trickles', '/endless', '/good']) await createEndpoint(path);
    for (let i = 0; i < 20; i++) await changeTier();
    outgoing().wake();
    await until(() => toldAt('/good') === 20 && toldAt('/endless') === 20);
    const { data } = await server.gql(
      '{ webhookDeliveries(first: 100, status: DELIVERED) { edges { node { endpointId } } } }',
    );
    const good = (await endpointAt('/good'))?.id;
    await until(() => toldAt('/hangs') === 4 && toldAt('/trickles') === 4);
    expect(
      data.webhookDeliveries.edges.filter(
        ({ node }: { node: { endpointId: string } }) => node.endpointId === good,
      ).length,
    ).toBeGreaterThanOrEqual(16);
    // Events that come now are not delayed by those under way.
    const id = await changeTier();
    outgoing().wake();
    await until(() => received.get('/good')?.includes(id) ?? false);
    for (const response of hanging) response.destroy();
    for (const interval of trickling) clearInterval(interval);
    responders.set('/hangs', status(200));
    responders.set('/trickles', status(200));
    receiver.closeAllConnections();
  });
});

describe('an endpoint’s response', () => {
  it('410 disables it: nothing is sent and nothing kept, until it is enabled', async () => {
    const id = await createEndpoint('/gone');
    responders.set('/gone', status(410));
    await changeTier();
    await run();
    expect(await endpointAt('/gone')).toMatchObject({
      status: 'DISABLED',
      statusReason: 'it answered 410: it is gone',
    });
    const { data } = await server.gql(
      '{ webhookDeliveries { edges { node { id status responseStatus error } } } }',
    );
    const [{ node: delivery }] = data.webhookDeliveries.edges;
    expect(delivery).toMatchObject({ status: 'FAILED', responseStatus: 410 });
    await changeTier();
    clock.advance(DAY_MS);
    await run();
    expect(toldAt('/gone')).toBe(1);
    const resent = await server.gql('mutation ($id: ID!) { resendWebhookDelivery(id: $id) { id } }', {
      variables: { id: delivery.id },
    });
    expect(resent.status).toBe(400);
    expect(resent.errors[0]?.message).toMatch(/enableWebhookEndpoint/);
    responders.clear();
    await server.gql('mutation ($id: ID!) { enableWebhookEndpoint(id: $id) { id } }', { variables: { id } });
    await server.gql('mutation ($id: ID!) { resendWebhookDelivery(id: $id) { id } }', {
      variables: { id: delivery.id },
    });
    await run();
    expect(toldAt('/gone')).toBe(2);
    clock.advance(-DAY_MS);
  });

  it('Retry-After is honoured for all that waits for it, a day at most', async () => {
    await createEndpoint('/busy');
    responders.set('/busy', status(429, { 'retry-after': '3600' }));
    await changeTier();
    await run();
    responders.clear();
    expect(await endpointAt('/busy')).toMatchObject({
      status: 'ENABLED',
      waitUntil: new Date(clock.now() + 60 * MINUTE_MS).toISOString(),
    });
    await changeTier();
    clock.advance(59 * MINUTE_MS);
    await run();
    expect(toldAt('/busy')).toBe(1);
    clock.advance(2 * MINUTE_MS);
    await run();
    expect(toldAt('/busy')).toBe(3);
    responders.set('/busy', status(503, { 'retry-after': '99999999' }));
    await changeTier();
    await run();
    expect(await endpointAt('/busy')).toMatchObject({
      waitUntil: new Date(clock.now() + DAY_MS).toISOString(),
    });
    clock.advance(-61 * MINUTE_MS);
  });

  it('is not followed when it redirects, nor shown: only its status is', async () => {
    await createEndpoint('/redirects');
    responders.set('/redirects', (response) =>
      response.writeHead(307, 'secret phrase', { location: `${receiverUrl}/internal` }).end('secret body'),
    );
    await changeTier();
    await run();
    expect(toldAt('/internal')).toBe(0);
    const shown = await server.gql(
      '{ webhookDeliveries { edges { node { status responseStatus error } } } webhookEndpoints { statusReason } }',
    );
    expect(JSON.stringify(shown.data)).not.toContain('secret');
    expect(shown.data.webhookDeliveries.edges[0].node.error).toBe('answered 307');
  });
});

describe('an endpoint on this machine or its network', () => {
  it('cannot be created without a setting that names its network', async () => {
    const strict = await startTestServer({ clock, uri: server.uri });
    for (const url of [
      receiverUrl,
      'http://2130706433/',
      'http://[::ffff:7f00:1]/',
      'http://169.254.169.254/',
    ]) {
      const { status, errors } = await strict.gql(
        'mutation ($url: String!) { createWebhookEndpoint(input: { url: $url }) { secret } }',
        { variables: { url } },
      );
      expect(status).toBe(400);
      expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument: 'input.url' });
      expect(errors[0]?.message).toContain('WEBHOOK_ALLOWED_NETWORKS');
    }
    await strict.stop();
  });

  it('exists twenty times at most, however many are created at once', async () => {
    const create = (path: string) =>
      server.gql('mutation ($url: String!) { createWebhookEndpoint(input: { url: $url }) { secret } }', {
        variables: { url: `${receiverUrl}${path}` },
      });
    await Promise.all(Array.from({ length: 40 }, (_, i) => create(`/many/${i}`)));
    expect((await endpoints()).length).toBeLessThanOrEqual(20);
    for (const { id } of await endpoints())
      await server.gql('mutation ($id: ID!) { deleteWebhookEndpoint(id: $id) }', { variables: { id } });
    await Promise.all(Array.from({ length: 10 }, () => create('/same')));
    expect((await endpoints()).length).toBeLessThanOrEqual(1);
  });
});

describe('a tenant whose events cannot be made', () => {
  it('keeps no other tenant waiting, is tried again later, and is announced when it can be', async () => {
    await createEndpoint('/good');
    const bad = await changeTier();
    const alerting = await server.createTenant();
    // No code of ours writes this: whatever is wrong with one document must not stop the others.
    await server.app.models.tenants.collection.updateOne({ _id: bad as never }, { $set: { contract: null } });
    await server.app.models.usageAlerts.collection.insertOne({
      _id: `${alerting.id}:x` as never,
      unannounced: true,
      at: 1n << 40n,
      limit: { toJSON: 'no function' },
    } as never);
    const good: string[] = [];
    for (let i = 0; i < 3; i++) good.push(await changeTier());
    await run();
    expect(received.get('/good')).toEqual(expect.arrayContaining(good));
    expect(received.get('/good')).not.toContain(bad);
    const marked = await server.app.models.tenants.findById(bad).lean();
    expect(marked?.announceRetry).toMatchObject({ tries: 1, error: expect.any(String) });
    await server.app.models.tenants.collection.updateOne(
      { _id: bad as never },
      { $set: { contract: { tier: 'PRO', limits: {} } } },
    );
    clock.advance(MINUTE_MS);
    await run();
    expect(received.get('/good')).toContain(bad);
    clock.advance(-MINUTE_MS);
  });
});
