import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
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

/** Holds the usage of one tenant back until it is released, as a slow database would. */
function holdUsage(id: string) {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { usage } = server.app.services;
  const current = usage.current.bind(usage);
  const spy = vi.spyOn(usage, 'current').mockImplementation(async (queries) => {
    if (queries.some(({ tenantId }) => tenantId === id)) await held;
    return current(queries);
  });
  return {
    release() {
      release();
      spy.mockRestore();
    },
  };
}

describe('operations that cost no calls', () => {
  it('of one tenant are bounded: the excess waits a second, and is rejected as RATE_LIMITED', async () => {
    const held = holdUsage(tenant.id);
    try {
      const under = Array.from({ length: 20 }, () => server.gql(USAGE, { key: tenant.key }));
      await sleep(300);
      const { status, headers, errors } = await server.gql(USAGE, { key: tenant.key });
      expect(status).toBe(429);
      expect(headers.get('retry-after')).toBe('1');
      expect(errors[0]?.extensions).toMatchObject({
        code: 'RATE_LIMITED',
        window: 'concurrent',
        limit: 20,
        remaining: 0,
        tier: 'FREE',
        upgradeUrl: expect.stringContaining('/upgrade'),
        resetsAt: expect.any(String),
      });
      const rest = await fetch(`${server.url}/v1/billing/subscription`, {
        headers: { 'x-api-key': tenant.key },
      });
      expect([rest.status, ((await rest.json()) as { error: { window: string } }).error.window]).toEqual([
        429,
        'concurrent',
      ]);
      // Nobody else notices, nor does what the tenant pays for.
      expect((await server.gql(USAGE, { key: other.key })).status).toBe(200);
      expect((await server.gql('{ tiers { name } }', { key: null })).status).toBe(200);
      expect((await server.gql('{ tenants { edges { node { id } } } }')).status).toBe(200);
      expect((await server.gql(CHECKOUT, { key: tenant.key })).status).toBe(200);
      expect((await server.gql('{ memories { edges { cursor } } }', { key: tenant.key })).status).toBe(200);
      held.release();
      for (const answer of await Promise.all(under)) expect(answer.status).toBe(200);
    } finally {
      held.release();
    }
    expect((await server.gql(USAGE, { key: tenant.key })).status).toBe(200);
  });

  it('begin as soon as one ends, within the second', async () => {
    const held = holdUsage(tenant.id);
    const under = Array.from({ length: 22 }, () => server.gql(USAGE, { key: tenant.key }));
    await sleep(300);
    held.release();
    for (const answer of await Promise.all(under)) expect(answer.status).toBe(200);
  });

  it('give back their places when their clients go away', async () => {
    const held = holdUsage(tenant.id);
    const gone = new AbortController();
    const under = Array.from({ length: 30 }, () =>
      fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': tenant.key },
        body: JSON.stringify({ query: USAGE }),
        signal: gone.signal,
      }).catch(() => null),
    );
    await sleep(300);
    gone.abort();
    await Promise.all(under);
    await sleep(1_200);
    held.release();
    const again = await Promise.all(Array.from({ length: 20 }, () => server.gql(USAGE, { key: tenant.key })));
    for (const answer of again) expect(answer.status).toBe(200);
  });

  it('of callers without a key are bounded by address, whatever they ask for', async () => {
    const { tiers } = server.app.services;
    const slots = server.app.services.callerSlots;
    const taken = await Promise.all(
      Array.from({ length: 20 }, () => slots.take({ principal: null, address: '127.0.0.1' }, false)),
    );
    try {
      expect(tiers.all().length).toBeGreaterThan(0);
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
    const slots = server.app.services.callerSlots;
    const take = (address: string) => slots.take({ principal: null, address }, false);
    const taken = await Promise.all(Array.from({ length: 20 }, (_, i) => take(`2001:db8::${i + 1}`)));
    await expect(take('2001:db8::ffff')).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    (await take('2001:db8:1::1'))();
    for (const free of taken) free();
    (await take('2001:db8::ffff'))();
  });
});
