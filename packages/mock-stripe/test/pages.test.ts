import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pageRoutes } from '../src/index.js';
import { CHECKOUT, type Harness, openHarness } from './support/harness.js';

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness?.close());

async function ask(method: string, path: string, id: string, form = '') {
  const route = pageRoutes(harness.mock).find((page) => page.method === method && page.path === path);
  if (!route) throw new Error(`There is no ${method} ${path}`);
  const { status, headers, body } = await route.handle(id, new URLSearchParams(form));
  return { statusCode: status, headers, body };
}

const open = async (changes: object = {}) =>
  (await harness.stripe.checkout.sessions.create({ ...CHECKOUT, ...changes } as never)).id;
const page = (id: string) => ask('GET', '/mock/checkout/:sessionId', id);
const press = (id: string, button: string) => ask('POST', `/mock/checkout/:sessionId/${button}`, id);

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
  it('complete leads to the success url', async () => {
    const id = await open();
    const { statusCode, headers, body } = await press(id, 'complete');
    expect([statusCode, headers.location]).toEqual([303, `https://app.example.com/done?session=${id}`]);
    expect(body).toBe('');
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
