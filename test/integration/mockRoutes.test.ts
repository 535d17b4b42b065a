import { pageRoutes } from '@continuum-billing/mock-stripe';
import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKOUT, type Harness, openHarness } from '../../packages/mock-stripe/test/support/harness.js';
import { forbidden, unauthenticated } from '../../src/common/errors.js';
import { mockRoutes } from '../../src/rest/mockRoutes.js';
import { createConditionSwitch } from '../../src/services/mockMode/conditions.js';

let harness: Harness;
let app: FastifyInstance;
const unused = () => Promise.reject(new Error('no trigger here'));

beforeAll(async () => {
  harness = await openHarness();
  app = fastify();
  const authorize = async ({ headers: { 'x-api-key': key } }: FastifyRequest) => {
    if (key !== 'operator') throw key ? forbidden('not the operator') : unauthenticated('no key');
  };
  const conditions = createConditionSwitch(harness.mock);
  const readState = unused;
  const { mock: mockStripe } = harness;
  await app.register(
    mockRoutes({
      mockStripe,
      pages: pageRoutes(mockStripe),
      trigger: unused,
      conditions,
      readState,
      authorize,
    }),
  );
  await app.ready();
});
afterAll(async () => {
  await app?.close();
  await harness?.close();
});

describe('the pages', () => {
  const open = async () => (await harness.stripe.checkout.sessions.create(CHECKOUT as never)).id;

  it.each([
    ['nothing', {}],
    ['an empty form', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: '' }],
    ['a form', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'a=b' }],
    ['empty JSON', { headers: { 'content-type': 'application/json' }, payload: '' }],
    ['JSON', { headers: { 'content-type': 'application/json' }, payload: '{}' }],
    ['text', { headers: { 'content-type': 'text/plain' }, payload: 'x' }],
  ])('take %s: complete leads to the success url', async (_what, request) => {
    const id = await open();
    const { statusCode, headers } = await app.inject({
      method: 'POST',
      url: `/mock/checkout/${id}/complete`,
      ...request,
    });
    expect(statusCode).toBe(303);
    expect(headers.location).toBe(`https://app.example.com/done?session=${id}`);
  });

  it('are served with the headers of the mock', async () => {
    const { statusCode, headers, body } = await app.inject(`/mock/checkout/${await open()}`);
    expect([statusCode, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers['content-security-policy']).toContain("form-action 'self' https://app.example.com;");
    expect(body).toContain('$29.00');
  });

  it('reject a form field that cannot be stored', async () => {
    const { statusCode, body } = await app.inject({
      method: 'POST',
      url: `/mock/checkout/${await open()}/complete`,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: 'promotion_code=%00',
    });
    expect(statusCode).toBe(400);
    expect(body).toContain('promotion_code');
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
  ])('rejects %j', async (body) => {
    const { statusCode, json } = await move(body);
    expect(statusCode).toBe(400);
    expect(json().message).toMatch(/advanceSeconds|JSON/);
  });
});
