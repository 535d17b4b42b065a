import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isNetwork, isPublicAddress } from '../../src/common/addressRanges.js';
import { createSendWebhook, retryAfterMs } from '../../src/services/webhooks/webhookRequest.js';
import { createWebhookTargets } from '../../src/services/webhooks/webhookTargets.js';

const strict = createWebhookTargets({ allowedNetworks: [], requireHttps: false });
const production = createWebhookTargets({ allowedNetworks: ['10.1.0.0/16'], requireHttps: true });

/** Hosts that mean this machine, its network, or nobody's server, in every spelling that URL parsers know. */
const HOSTS = [
  '127.0.0.1',
  '127.0.0.1.',
  '127.1',
  '127.255.255.254',
  '2130706433',
  '017700000001',
  '0177.0.0.1',
  '0x7f.0.0.1',
  '0x7f000001',
  '0X7F.1',
  '127.0.1',
  '%31%32%37.0.0.1',
  '127。0。0。1',
  '①②⑦.0.0.1',
  '0',
  '0.0.0.0',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'ⓛocalhost',
  'some.localhost',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '169.254.169.254',
  '2852039166',
  '0xa9fea9fe',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
  '192.0.2.1',
  '198.18.0.1',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '[::]',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::ffff:7f00:1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:8.8.8.8]',
  '[::ffff:0:127.0.0.1]',
  '[::127.0.0.1]',
  '[::7f00:1]',
  '[64:ff9b::7f00:1]',
  '[64:ff9b::169.254.169.254]',
  '[64:ff9b:1::1]',
  '[100::1]',
  '[2001::1]',
  '[2001:2::1]',
  '[2001:10::1]',
  '[2001:db8::1]',
  '[2002:7f00:1::]',
  '[2002:a9fe:a9fe::1]',
  '[3fff::1]',
  '[5f00::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fe80::1]',
  '[fec0::1]',
  '[ff02::1]',
];

describe('an outgoing webhook may not be sent', () => {
  it.each(HOSTS)('to %s, by http or by https', (host) => {
    for (const scheme of ['http', 'https'])
      expect(strict.errorOf(new URL(`${scheme}://${host}/hooks`))).toMatch(/WEBHOOK_ALLOWED_NETWORKS/);
  });

  it('with a user name or password, or to a port of another service', () => {
    expect(strict.errorOf(new URL('https://user@example.com'))).toMatch(/user name/);
    expect(strict.errorOf(new URL('https://example.com:22'))).toMatch(/port 22/);
    expect(strict.errorOf(new URL('https://example.com:8443'))).toBeNull();
  });

  it('without TLS in production, unless the address is in a network that is allowed', () => {
    expect(production.errorOf(new URL('http://93.184.215.14/'))).toMatch(/https/);
    expect(production.errorOf(new URL('https://93.184.215.14/'))).toBeNull();
    expect(production.errorOf(new URL('http://10.1.2.3/'))).toBeNull();
    expect(production.errorOf(new URL('http://10.2.2.3/'))).toMatch(/WEBHOOK_ALLOWED_NETWORKS/);
    const alone = createWebhookTargets({ allowedNetworks: [], requireHttps: true });
    expect(alone.errorOf(new URL('http://example.com/'))).toMatch(/https/);
  });

  it.each(['8.8.8.8', '93.184.215.14', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450::1'])(
    'but %s is public',
    (address) => expect(isPublicAddress(address)).toBe(true),
  );
});

describe('the address that a name resolves to', () => {
  let receiver: Server;
  let port: number;
  let received = 0;
  beforeAll(async () => {
    receiver = createServer((_, response) => {
      received++;
      response.end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => receiver.once('listening', resolve));
    port = (receiver.address() as AddressInfo).port;
  });
  afterAll(() => {
    receiver.close();
  });

  function connect(targets: ReturnType<typeof createWebhookTargets>): Promise<number | string | undefined> {
    const url = new URL(`http://localhost:${port}/`);
    return new Promise((resolve) => {
      request(url, { agent: false, lookup: targets.lookupFor(url) as never })
        .on('response', (response) => resolve(response.resume().statusCode))
        .on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
        .end();
    });
  }

  it('is checked when it is connected to, and reached only in a network that is allowed', async () => {
    expect(await connect(strict)).toBe('ADDRESS_NOT_ALLOWED');
    expect(received).toBe(0);
    const allowing = createWebhookTargets({ allowedNetworks: ['127.0.0.0/8'], requireHttps: true });
    expect(await connect(allowing)).toBe(200);
    expect(received).toBe(1);
  });

  it('of an endpoint that was stored before the rule is not reached, and the error says why', async () => {
    const send = createSendWebhook({ targets: strict });
    expect(await send(`http://127.0.0.1:${port}/`, {}, '{}')).toMatchObject({
      status: null,
      error: expect.stringMatching(/^ADDRESS_NOT_ALLOWED: .*WEBHOOK_ALLOWED_NETWORKS/),
    });
    expect(received).toBe(1);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-11-26T12:00:00Z');
  it.each([
    ['120', 120_000],
    [' 5 ', 5_000],
    ['Thu, 26 Nov 2026 12:01:00 GMT', 60_000],
    ['Thu, 26 Nov 2026 11:00:00 GMT', 0],
    ['99999999999999999999999999', 86_400_000],
    ['Thu, 26 Nov 2099 12:00:00 GMT', 86_400_000],
    ['-5', 0],
    ['soon', 0],
    [null, 0],
  ])('%s asks to wait %i ms', (header, waitMs) => expect(retryAfterMs(header, now)).toBe(waitMs));
});

it.each(['10.0.0.0/8', '::1/128', 'fd00::/8', '0.0.0.0/0'])('%s is a network', (text) =>
  expect(isNetwork(text)).toBe(true),
);
it.each(['10.0.0.0', '10.0.0.0/33', '::1/129', 'localhost/8', '10.0.0/8', '/8', ''])('%s is none', (text) =>
  expect(isNetwork(text)).toBe(false),
);
