import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { subscriptionOf } from '../support/billing.js';
import { runCli } from '../support/cli.js';
import { OPERATOR_KEY, startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.stop());

const trigger = (args: string[], env: Record<string, string> = { ADMIN_API_KEY: OPERATOR_KEY }) =>
  runCli(['stripe', 'trigger', '--url', server.url, ...args], env);

describe('stripe trigger', () => {
  it('takes a tenant through the life of a subscription, applied when it returns', async () => {
    const { id, key } = await server.createTenant();
    const steps = [
      ['checkout.session.completed', 'ACTIVE'],
      ['invoice.payment_failed', 'PAST_DUE'],
      ['invoice.payment_succeeded', 'ACTIVE'],
      ['customer.subscription.paused', 'PAUSED'],
      ['customer.subscription.resumed', 'ACTIVE'],
      ['customer.subscription.updated', 'ACTIVE'],
      ['customer.subscription.deleted', 'CANCELED'],
      ['customer.subscription.created', 'ACTIVE'],
      ['payment_method.attached', 'ACTIVE'],
      ['customer.updated', 'ACTIVE'],
      ['customer.deleted', 'CANCELED'],
    ] as const;
    for (const [event, status] of steps) {
      const { code, stdout, stderr } = await trigger([event, '--tenant', id]);
      expect(stderr).toBe('');
      expect(code).toBe(0);
      expect(stdout).toContain(`${event} happened to ${id}`);
      expect((await subscriptionOf(server, key)).status, event).toBe(status);
    }
  });

  it('says what is wrong, and which events there are', async () => {
    const unknown = await trigger(['invoice.eaten']);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('invoice.payment_failed');
    expect((await trigger(['customer.updated', '--tenant', 'ten_none'])).stderr).toContain('ten_none');
    expect((await trigger(['customer.updated'], {})).stderr).toContain('ADMIN_API_KEY is missing');
    expect((await trigger(['customer.updated'], { ADMIN_API_KEY: 'wrong-key-wrong' })).code).toBe(1);
    expect((await trigger([])).code).toBe(2);
    expect((await trigger(['--help'])).code).toBe(0);
  });

  it('is for the operator alone', async () => {
    const { key } = await server.createTenant();
    const ask = (headers: Record<string, string>) =>
      fetch(`${server.url}/mock/trigger`, { method: 'POST', headers, body: '{"event":"customer.updated"}' });
    expect((await ask({})).status).toBe(401);
    expect((await ask({ 'x-api-key': key })).status).toBe(403);
  });
});
