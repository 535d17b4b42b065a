import { type FastifyInstance, fastify } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKOUT, type Harness, openHarness } from '../../packages/mock-stripe/test/support/harness.js';
import { mockPages } from '../../src/rest/mockPages.js';

let harness: Harness;
let app: FastifyInstance;
const unused = () => Promise.reject(new Error('no trigger here'));

beforeAll(async () => {
  harness = await openHarness();
  app = fastify();
  const isOperator = async ({ headers }: { headers: Record<string, unknown> }) =>
    headers['x-api-key'] === 'operator';
  await app.register(mockPages({ mockStripe: harness.mock, trigger: unused, isOperator }));
  await app.ready();
});
afterAll(async () => {
  await app?.close();
  await harness?.close();
});

const open = async (changes: object = {}) =>
  (await harness.stripe.checkout.sessions.create({ ...CHECKOUT, ...changes } as never)).id;
const page = (id: string) => app.inject({ method: 'GET', url: `/mock/checkout/${id}` });
const press = (id: string, button: string, rest: object = {}) =>
  app.inject({ method: 'POST', url: `/mock/checkout/${id}/${button}`, ...rest });

describe('the checkout page', () => {
  it('shows what is bought, the amount and who pays, with two plain forms and no script', async () => {
    const id = await open();
    const { statusCode, headers, body } = await page(id);
    expect(statusCode).toBe(200);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    for (const text of ['Pro', '$29.00', 'per month', 'ada@example.com']) expect(body).toContain(text);
    expect(body).toContain(`<form method="post" action="/mock/checkout/${id}/complete">`);
    expect(body).toContain(`<form method="post" action="/mock/checkout/${id}/decline">`);
    expect(body).not.toContain('<script');
  });

  it('of a trial says that nothing is due today, and what comes after it', async () => {
    const { body } = await page(await open({ subscription_data: { trial_period_days: 14 } }));
    expect(body).toContain('$0.00');
    expect(body).toContain('after the trial $29.00 / month');
  });

  it('may only be styled by its own style, and only be sent to itself and where the checkout leads', async () => {
    const policy = String((await page(await open())).headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toMatch(/style-src 'sha256-[\w+/]+=*';/);
    expect(policy).toContain("form-action 'self' https://app.example.com;");
    expect(policy).not.toContain('unsafe');
  });

  it('escapes what others wrote', async () => {
    const { stripe } = harness;
    const price = await stripe.prices.create({
      currency: 'usd',
      unit_amount: 100,
      recurring: { interval: 'month' },
      product_data: { name: '<img src=x onerror=alert(1)>"\'&' },
    });
    const { body } = await page(await open({ line_items: [{ price: price.id }] }));
    expect(body).toContain('&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;');
    expect(body).not.toContain('<img');
  });

  it('of an unknown session is 404, of a complete or expired one says so', async () => {
    expect((await page('cs_mock_none')).statusCode).toBe(404);
    const id = await open();
    await press(id, 'complete');
    expect((await page(id)).body).toContain('complete');
    const late = await open();
    await harness.stripe.checkout.sessions.expire(late);
    expect((await page(late)).statusCode).toBe(410);
  });
});

describe('the buttons', () => {
  it.each([
    ['nothing', {}],
    ['an empty form', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: '' }],
    ['a form', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'a=b' }],
    ['empty JSON', { headers: { 'content-type': 'application/json' }, payload: '' }],
    ['JSON', { headers: { 'content-type': 'application/json' }, payload: '{}' }],
    ['text', { headers: { 'content-type': 'text/plain' }, payload: 'x' }],
  ])('take %s: complete leads to the success url', async (_what, request) => {
    const id = await open();
    const { statusCode, headers } = await press(id, 'complete', request);
    expect(statusCode).toBe(303);
    expect(headers.location).toBe(`https://app.example.com/done?session=${id}`);
  });

  it('decline leads to the cancel url', async () => {
    const { statusCode, headers } = await press(await open(), 'decline');
    expect([statusCode, headers.location]).toEqual([303, 'https://app.example.com/plans']);
  });

  it('of an unknown session are 404, of an expired one 409', async () => {
    expect((await press('cs_mock_none', 'complete')).statusCode).toBe(404);
    const id = await open();
    await harness.stripe.checkout.sessions.expire(id);
    expect((await press(id, 'complete')).statusCode).toBe(409);
    expect((await press(id, 'decline')).statusCode).toBe(409);
  });

  it('never lead to an address that is not of the web, even if one is stored', async () => {
    const id = await open();
    const objects = harness.database.connection.collection('mock_stripe_objects');
    await objects.updateOne({ _id: id as never }, { $set: { 'body.cancel_url': 'javascript:alert(1)' } });
    const { statusCode, headers } = await press(id, 'decline');
    expect(statusCode).toBe(400);
    expect(headers.location).toBeUndefined();
  });
});

describe('the clock', () => {
  const move = (payload: unknown, headers: Record<string, string> = { 'x-api-key': 'operator' }) =>
    app.inject({
      method: 'POST',
      url: '/mock/clock',
      headers: { ...headers, 'content-type': 'application/json' },
      payload: JSON.stringify(payload),
    });

  it('is moved by the operator only', async () => {
    expect((await move({ advanceSeconds: 60 }, {})).statusCode).toBe(401);
    expect((await move({ advanceSeconds: 60 }, { 'x-api-key': 'tenant' })).statusCode).toBe(403);
    const before = (await harness.mock.now()).getTime();
    const { statusCode, json } = await move({ advanceSeconds: 3600 });
    expect(statusCode).toBe(200);
    expect(json()).toEqual({ now: expect.any(String), advancedSeconds: 3600 });
    expect(Date.parse(json().now) - before).toBeGreaterThanOrEqual(3_599_000);
  });

  it.each([
    [{}],
    [{ advanceSeconds: 0 }],
    [{ advanceSeconds: 1.5 }],
    [{ advanceSeconds: '60' }],
    [{ advanceSeconds: 400 * 86_400 + 1 }],
    ['x'],
  ])('refuses %j', async (body) => {
    const { statusCode, json } = await move(body);
    expect(statusCode).toBe(400);
    expect(json().message).toMatch(/advanceSeconds|JSON/);
  });
});
