import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RequestSender } from '../../src/services/limits/callerSlots.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';

const USAGE = '{ usage { apiCalls } }';
const CHECKOUT = `mutation { createCheckoutSession(input: { tier: PRO, successUrl: "https://a.example/ok", cancelUrl: "https://a.example/no" }) { id } }`;

let server: TestServer;
let tenant: TestTenant;
let other: TestTenant;
beforeAll(async () => {
  server = await startTestServer();
  tenant = await server.createTenant();
  other = await server.createTenant();
  for (const { key } of [tenant, other]) await server.gql(USAGE, { key });
});
afterAll(() => server.stop());

const MAX_OF_TENANT = 50;

const take = (caller: RequestSender, count: number) =>
  Promise.all(Array.from({ length: count }, () => server.app.services.callerSlots.take(caller, false)));

const callerOf = ({ id, keyId }: TestTenant): RequestSender => ({
  principal: { kind: 'tenant', credential: 'key', tenantId: id, keyId, scopes: new Set(), expiresAt: null },
  address: '127.0.0.1',
});

describe('operations that cost no calls', () => {
  it('of one tenant are bounded: the excess waits a second, and is rejected as RATE_LIMITED', async () => {
    const taken = await take(callerOf(tenant), MAX_OF_TENANT);
    try {
      const { status, headers, errors } = await server.gql(USAGE, { key: tenant.key });
      expect(status).toBe(429);
      expect(headers.get('retry-after')).toBe('1');
      expect(errors[0]?.extensions).toMatchObject({
        code: 'RATE_LIMITED',
        window: 'concurrent',
        limit: MAX_OF_TENANT,
        remaining: 0,
        tier: 'FREE',
        upgradeUrl: expect.stringContaining('/upgrade'),
        resetsAt: expect.any(String),
      });
      const rest = await fetch(`${server.url}/v1/billing/subscription`, {
        headers: { 'x-api-key': tenant.key },
      });
      const { error } = (await rest.json()) as { error: { window: string } };
      expect([rest.status, error.window]).toEqual([429, 'concurrent']);
      // Nobody else notices, nor does what the tenant pays for.
      expect((await server.gql(USAGE, { key: other.key })).status).toBe(200);
      expect((await server.gql('{ tiers { name } }', { key: null })).status).toBe(200);
      expect((await server.gql('{ tenants { edges { node { id } } } }')).status).toBe(200);
      expect((await server.gql(CHECKOUT, { key: tenant.key })).status).toBe(200);
      expect((await server.gql('{ memories { edges { cursor } } }', { key: tenant.key })).status).toBe(200);
    } finally {
      for (const free of taken) free();
    }
    expect((await server.gql(USAGE, { key: tenant.key })).status).toBe(200);
  });

  it('begin as soon as one ends', async () => {
    const taken = await take(callerOf(tenant), MAX_OF_TENANT);
    const waiting = take(callerOf(tenant), 3);
    for (const free of taken) free();
    for (const free of await waiting) free();
  });

  it('return their places, also when their clients have gone away', async () => {
    const gone = new AbortController();
    const requests = Array.from({ length: MAX_OF_TENANT }, () =>
      fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': tenant.key },
        body: JSON.stringify({ query: USAGE }),
        signal: gone.signal,
      }).catch(() => null),
    );
    await requests[0];
    gone.abort();
    await Promise.all(requests);
    // Whatever still runs on the server ends within the second that each waits for.
    for (const free of await take(callerOf(tenant), MAX_OF_TENANT)) free();
  });

  it('of callers without a key are bounded by address, whatever they ask for', async () => {
    const taken = await take({ principal: null, address: '127.0.0.1' }, 20);
    try {
      for (const query of ['{ tiers { name } }', '{ __schema { types { name } } }', '{ __typename }']) {
        const { status, errors } = await server.gql(query, { key: null });
        expect([status, errors[0]?.extensions.window]).toEqual([429, 'concurrent']);
      }
      expect((await server.gql(USAGE, { key: tenant.key })).status).toBe(200);
      expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
    } finally {
      for (const free of taken) free();
    }
    expect((await server.gql('{ tiers { name } }', { key: null })).status).toBe(200);
  });

  it('are counted for a whole network of IPv6 addresses, which one client may have', async () => {
    const from = async (address: string) => (await take({ principal: null, address }, 1))[0] as () => void;
    const taken = await Promise.all(Array.from({ length: 20 }, (_, i) => from(`2001:db8::${i + 1}`)));
    await expect(from('2001:db8::ffff')).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    (await from('2001:db8:1::1'))();
    for (const free of taken) free();
    (await from('2001:db8::ffff'))();
  });
});
