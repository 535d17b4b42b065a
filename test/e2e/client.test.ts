import { inspect } from 'node:util';
import { type BillingClient, createBillingClient, isBillingError } from '@continuum-billing/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { closedAddress, type FlakyProxy, startFlakyProxy } from '../support/flakyProxy.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

// Two seconds before the minute's limit resets.
const clock = createFakeClock('2026-11-28T12:00:58Z');
let server: TestServer;
let proxy: FlakyProxy;
let operator: BillingClient;
let tenant: TestTenant;
let billing: BillingClient;

beforeAll(async () => {
  server = await startTestServer({ clock });
  proxy = await startFlakyProxy(() => server.url);
  operator = createBillingClient({ url: server.url, apiKey: OPERATOR_KEY });
});
afterAll(async () => {
  await proxy?.stop();
  await server?.stop();
});
beforeEach(async () => {
  clock.set('2026-11-28T12:00:58Z');
  proxy.bodies.length = 0;
  tenant = await server.createTenant();
  billing = createBillingClient({ url: proxy.url, apiKey: tenant.key });
});

const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => {
      throw new Error('it did not fail');
    },
    (error) => error,
  );
const METERED = '{ memories(first: 1) { pageInfo { hasNextPage } } }';

describe('the operations of the client', () => {
  it('read tiers without a key, and the own tenant with one', async () => {
    const tiers = await createBillingClient({ url: server.url }).tiers();
    expect(tiers.map(({ name }) => name)).toEqual(['FREE', 'PRO', 'ENTERPRISE']);
    expect(await billing.tenant()).toMatchObject({ id: tenant.id, tier: { name: 'FREE' } });
    expect(await billing.subscription()).toMatchObject({ status: 'ACTIVE', tier: { displayName: 'Free' } });
    expect(await billing.usage({ period: 'MINUTE' })).toMatchObject({ apiCalls: 0, limit: 10 });
    expect(await billing.entitlements()).toContainEqual(expect.objectContaining({ kind: 'FEATURE' }));
    expect(await billing.entitlement({ feature: 'FEDERATION' })).toBe(false);
  });

  it('buy a tier, preview and change it, and cancel', async () => {
    const { localUrl } = await billing.createCheckoutSession({
      tier: 'PRO',
      successUrl: 'http://127.0.0.1:1/ok',
      cancelUrl: 'http://127.0.0.1:1/no',
    });
    await fetch(`${localUrl}/complete`, { method: 'POST', redirect: 'manual' });
    expect((await billing.subscription()).tier.name).toBe('PRO');
    expect(await billing.previewCancellation()).toMatchObject({ tierAfterwards: 'FREE' });
    expect(await billing.previewTierChange({ tier: 'FREE' })).toMatchObject({ immediately: false });
    expect(await billing.changeTier({ tier: 'FREE' })).toMatchObject({ cancelAtPeriodEnd: true });
    expect(await billing.resumeSubscription()).toMatchObject({ cancelAtPeriodEnd: false });
    expect((await billing.cancelSubscription({ atPeriodEnd: false })).tier.name).toBe('FREE');
    expect((await billing.createPortalSession({ returnUrl: 'http://127.0.0.1:1/' })).url).toMatch(/^http/);
    expect((await billing.invoices()).edges.length).toBeGreaterThan(0);
  });

  it('do what operators do: pauses of payments, keys, endpoints, the audit log', async () => {
    const { localUrl } = await billing.createCheckoutSession({
      tier: 'PRO',
      successUrl: 'http://127.0.0.1:1/ok',
      cancelUrl: 'http://127.0.0.1:1/no',
    });
    await fetch(`${localUrl}/complete`, { method: 'POST', redirect: 'manual' });
    const of = { tenantId: tenant.id };
    const resumesAt = new Date(Date.now() + 40 * 86_400_000);
    const paused = await operator.pausePayments({ ...of, resumesAt });
    expect(paused.paymentPause).toMatchObject({ invoices: 'VOID' });
    expect((await operator.resumePayments(of)).paymentPause).toBeNull();
    expect(await operator.explainTier(of)).toMatchObject({ source: 'SUBSCRIPTION', tier: { name: 'PRO' } });
    expect(await billing.exportTenant()).toMatchObject({ url: expect.stringMatching(/^http/) });
    const actions = (await billing.auditLog()).edges.map(({ node }) => node.action);
    expect(actions).toEqual(expect.arrayContaining(['subscription.changed', 'tenant.exported']));

    const made = await operator.createOperatorKey({ name: 'on call', role: 'SUPPORT' });
    const support = createBillingClient({ url: server.url, apiKey: made.secret });
    expect(await support.operatorKeys().catch(({ code }) => code)).toBe('FORBIDDEN');
    const rotated = await operator.rotateOperatorKey({ id: made.operatorKey.id });
    await operator.revokeOperatorKey({ id: rotated.operatorKey.id });
    const known = (await operator.operatorKeys()).map(({ id }) => id);
    expect(known).toEqual(expect.arrayContaining([made.operatorKey.id, rotated.operatorKey.id]));

    const { endpoint } = await operator.createWebhookEndpoint({ url: 'https://hooks.invalid/client' });
    expect(await operator.enableWebhookEndpoint({ id: endpoint.id })).toMatchObject({ status: 'ENABLED' });
    expect((await operator.webhookEndpoints()).map(({ id }) => id)).toContain(endpoint.id);
    expect(await operator.deleteWebhookEndpoint({ id: endpoint.id })).toBe(true);
  });

  it('act for a tenant by its external id, with the key of an operator', async () => {
    const externalId = `org_${tenant.id}`;
    const { apiKey } = await operator.createTenant({ name: 'Acme', externalId });
    expect(apiKey?.secret).toMatch(/^ctm_/);
    expect(await operator.createTenant({ name: 'Again', externalId })).toMatchObject({
      tenant: { name: 'Acme' },
      apiKey: null,
    });
    const renamed = await operator.updateTenant({ externalId, changes: { name: 'Acme Ltd' } });
    expect(renamed.name).toBe('Acme Ltd');
    await operator.setTenantLimits({ externalId, limits: { apiCallsPerDay: 3 } });
    expect(await operator.consume({ externalId, endpoint: 'render', cost: 2 })).toMatchObject({
      allowed: true,
      remaining: 1,
    });
    expect(await operator.consume({ externalId, endpoint: 'render', cost: 2 })).toMatchObject({
      allowed: false,
    });
    const { edges } = await operator.tenants({ search: externalId });
    expect(edges.map(({ node }) => node.name)).toEqual(['Acme Ltd']);
    const { token } = await operator.createTenantToken({ externalId, scopes: ['READ'] });
    const ofToken = createBillingClient({ url: server.url, token });
    expect((await ofToken.usage()).byEndpoint).toEqual([{ endpoint: 'render', calls: 2 }]);
    const { secret, apiKey: made } = await operator.createApiKey({ externalId, name: 'x', scopes: ['READ'] });
    expect(secret).toMatch(/^ctm_/);
    expect((await operator.revokeApiKey({ externalId, id: made.id })).revokedAt).not.toBeNull();
  });

  it('include documents of your own, and instants may be dates', async () => {
    const data = await billing.request<{ usageHistory: { from: string }[] }>(
      'query ($from: DateTime!, $to: DateTime!) { usageHistory(from: $from, to: $to) { from } }',
      { from: new Date('2026-11-27T00:00:00Z'), to: new Date('2026-11-28T00:00:00Z') },
    );
    expect(data.usageHistory).toEqual([{ from: '2026-11-27T00:00:00.000Z' }]);
  });
});

describe('an error', () => {
  it('has its code, and what is known beside it, by type', async () => {
    const limited = await errorOf(
      (async () => {
        await server.setLimits(tenant.id, { apiCallsPerDay: 0 });
        await billing.request(METERED);
      })(),
    );
    if (!isBillingError(limited, 'RATE_LIMITED')) throw limited;
    // Tomorrow is too far away to wait for.
    expect(limited.retryAfterS).toBeGreaterThan(3_600);
    expect(limited.details).toMatchObject({ window: 'day', limit: 0, tier: 'FREE' });
    expect(limited.details.upgradeUrl).toContain('/upgrade');
    expect(limited.requestId).toMatch(/./);
    expect(proxy.bodies).toHaveLength(1);

    const input = { tier: 'PRO', successUrl: 'nonsense', cancelUrl: 'http://127.0.0.1:1/' };
    expect(await errorOf(billing.createCheckoutSession(input))).toMatchObject({
      code: 'BAD_USER_INPUT',
      status: 400,
      fields: [{ argument: 'input.successUrl', problem: expect.any(String) }],
    });
    expect(await errorOf(billing.revokeApiKey({ id: 'nope' }))).toMatchObject({
      code: 'NOT_FOUND',
      status: 404,
    });
    expect(await errorOf(billing.tenants())).toMatchObject({ code: 'FORBIDDEN', status: 403 });
    const feature = await errorOf(billing.request('mutation { shareMemory(id: "x") { id } }'));
    expect(isBillingError(feature, 'FEATURE_NOT_AVAILABLE') && feature.details.feature).toBe('FEDERATION');
    expect(await errorOf(billing.tier({ name: 'GOLD' }))).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(await errorOf(billing.request('{ nonsense }'))).toMatchObject({
      code: 'GRAPHQL_VALIDATION_FAILED',
    });
  });

  it('never has the key, whatever went wrong', async () => {
    const secret = 'ctm_test_abcdefghijklmnop_secretsecretsecret';
    const failing = (fetch: typeof globalThis.fetch) =>
      createBillingClient({ url: server.url, apiKey: secret, fetch, retries: 0 }).usage();
    const errors = [
      await errorOf(createBillingClient({ url: server.url, apiKey: secret }).usage()),
      await errorOf(createBillingClient({ url: await closedAddress(), apiKey: secret, retries: 0 }).usage()),
      await errorOf(
        failing(async (_url, init) => {
          throw Object.assign(new Error(`bad request ${JSON.stringify(init?.headers)}`), { init });
        }),
      ),
      await errorOf(failing(async () => new Response('<html>', { status: 200 }))),
      await errorOf((async () => createBillingClient({ url: server.url, apiKey: `${secret}\n` }))()),
      await errorOf((async () => createBillingClient({ url: server.url, token: `${secret} x` }))()),
    ];
    expect(errors.map(({ code }) => code)).toEqual([
      'UNAUTHENTICATED',
      'NETWORK_ERROR',
      'NETWORK_ERROR',
      'INVALID_RESPONSE',
      'UNAUTHENTICATED',
      'UNAUTHENTICATED',
    ]);
    for (const error of errors) expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(secret);
    const client = createBillingClient({ url: server.url, apiKey: secret });
    expect(inspect(client, { depth: 9, showHidden: false })).not.toContain(secret);
  });

  it('is what is no answer of a billing server: a redirect is not followed, because it would take the key along', async () => {
    proxy.answerNext(307, { location: server.url });
    expect(await errorOf(billing.usage())).toMatchObject({
      code: 'INVALID_RESPONSE',
      status: 307,
      message: expect.stringContaining('redirects'),
    });
    proxy.answerNext(200, { 'content-type': 'text/html' });
    expect(await errorOf(billing.usage())).toMatchObject({ code: 'INVALID_RESPONSE', status: 200 });
    proxy.answerNext(413, {});
    expect(await errorOf(billing.usage())).toMatchObject({ code: 'PAYLOAD_TOO_LARGE' });
    expect(proxy.bodies).toHaveLength(3);
  });

  it('says when the options are wrong', () => {
    const wrong = (options: object) => () => createBillingClient({ url: server.url, ...options });
    expect(wrong({ url: 'ftp://x' })).toThrow('url must be http or https, not ftp:');
    expect(wrong({ url: 'http://user:word@x' })).toThrow('url must not have a user name or a password');
    expect(wrong({ retries: -1 })).toThrow('retries must be a whole number from 0 to 2147483647');
    expect(wrong({ apiKey: 'a', token: 'b' })).toThrow('Pass either apiKey or token, not both');
  });
});

describe('a request is sent again', () => {
  it('after the time that a limit names, and no earlier', async () => {
    await server.setLimits(tenant.id, { apiCallsPerMinute: 1 });
    await billing.request(METERED);
    const answers: { status: number; retryAfter: string | null; atMs: number }[] = [];
    const client = createBillingClient({
      url: server.url,
      apiKey: tenant.key,
      async fetch(...args) {
        const response = await fetch(...args);
        const retryAfter = response.headers.get('retry-after');
        answers.push({ status: response.status, retryAfter, atMs: performance.now() });
        // The server's next minute.
        clock.advance(2_000);
        return response;
      },
    });
    await client.request(METERED);
    expect(answers).toMatchObject([
      { status: 429, retryAfter: '2' },
      { status: 200, retryAfter: null },
    ]);
    const waitedMs = (answers[1]?.atMs ?? 0) - (answers[0]?.atMs ?? 0);
    expect(waitedMs).toBeGreaterThanOrEqual(1_990);
    expect((await billing.usage()).apiCalls).toBe(2);
  });

  it('while a proxy or the server is away, at most so many times', async () => {
    proxy.answerNext(503, { 'retry-after': '1' });
    proxy.answerNext(502, {});
    expect((await billing.usage()).apiCalls).toBe(0);
    expect(proxy.bodies).toHaveLength(3);
    proxy.answerNext(504, {}, 2);
    const once = createBillingClient({ url: proxy.url, apiKey: tenant.key, retries: 1 });
    expect(await errorOf(once.usage())).toMatchObject({ code: 'SERVICE_UNAVAILABLE', status: 504 });
    expect(proxy.bodies).toHaveLength(5);
  });

  it('with the same idempotency key after its answer was lost, and is done once', async () => {
    proxy.loseAnswers(2);
    expect(await billing.consume({ endpoint: 'render', cost: 4 })).toMatchObject({ allowed: true });
    const keys = proxy.bodies.map((body) => JSON.parse(body).variables.input.idempotencyKey);
    expect(keys).toHaveLength(3);
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set(keys).size).toBe(1);
    expect((await billing.usage()).apiCalls).toBe(4);
    await billing.consume({ endpoint: 'render' });
    expect((await billing.usage()).apiCalls).toBe(5);
  });

  it('but not if it would do it twice', async () => {
    proxy.loseAnswers(1);
    expect(await errorOf(billing.createApiKey({ name: 'lost' }))).toMatchObject({ code: 'NETWORK_ERROR' });
    expect(proxy.bodies).toHaveLength(1);
    expect((await billing.apiKeys()).filter(({ name }) => name === 'lost')).toHaveLength(1);
    proxy.loseAnswers(1);
    const unkeyed = billing.consume({ endpoint: 'render', idempotencyKey: null });
    expect(await errorOf(unkeyed)).toMatchObject({ code: 'NETWORK_ERROR', changedNothing: false });
    proxy.loseAnswers(1);
    const document = 'mutation { storeMemory(input: { content: "x" }) { id } }';
    expect(await errorOf(billing.request(document))).toMatchObject({ code: 'NETWORK_ERROR' });
    expect((await billing.usage()).apiCalls).toBe(2);
    // A limit rejects before anything runs, whatever it is.
    proxy.answerNext(429, { 'retry-after': '0' });
    expect((await billing.createApiKey({ name: 'second' })).secret).toMatch(/^ctm_/);
  });

  it('until its signal is aborted, or the time is over', async () => {
    proxy.answerNext(503, { 'retry-after': '20' });
    const reason = new Error('gone');
    const controller = new AbortController();
    const call = billing.usage({}, { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 50);
    expect(await errorOf(call)).toBe(reason);
    expect(await errorOf(billing.usage({}, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    const slow = createBillingClient({
      url: server.url,
      apiKey: tenant.key,
      timeoutMs: 30,
      retries: 1,
      fetch: () => new Promise(() => undefined),
    });
    expect(await errorOf(slow.usage())).toMatchObject({ code: 'TIMEOUT', status: null });
  });
});

describe('a token', () => {
  it('is fetched once for all, before it ends, and again when the server rejects it', async () => {
    let fetched = 0;
    const tokens = { next: '' };
    const client = createBillingClient({
      url: proxy.url,
      async token() {
        fetched++;
        return tokens.next || (await operator.createTenantToken({ tenantId: tenant.id }));
      },
    });
    await Promise.all([client.usage(), client.usage(), client.subscription()]);
    expect(fetched).toBe(1);
    proxy.answerNext(401, {});
    await client.usage();
    expect(fetched).toBe(2);
    tokens.next = 'ctt_wrong';
    proxy.answerNext(401, {});
    expect(await errorOf(client.usage())).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(fetched).toBe(3);
  });
});
