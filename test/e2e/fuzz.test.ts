import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Caller, fuzz } from '../support/fuzz/run.js';
import { OPERATOR_KEY, startTestServer, type TestServer } from '../support/server.js';

const WEBHOOK_SECRET = 'whsec_of_the_fuzz_test_0123456789';
const GATEWAY_SECRET = 'gateway_secret_of_the_fuzz_test_0123';
const SEED = 20_261_126;
const ERROR_LEVEL = 50;
const MAX_REQUESTS = 600;
const MAX_MS = 12_000;

let server: TestServer;
let caller: Caller = 'operator';
const errors: string[] = [];

beforeAll(async () => {
  const write = (line: string) => {
    if (JSON.parse(line).level >= ERROR_LEVEL) errors.push(`${caller}: ${line}`);
  };
  const log = pino({ level: 'info' }, { write });
  server = await startTestServer({ log, env: { STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET, GATEWAY_SECRET } });
});
afterAll(() => server.stop());

it(
  'no request made up from the schema causes a 5xx, an undocumented error, or a line in the error log',
  async () => {
    const { requests, findings, codes } = await fuzz({
      url: server.url,
      operatorKey: OPERATOR_KEY,
      seed: SEED,
      maxRequests: MAX_REQUESTS,
      untilMs: Date.now() + MAX_MS,
      webhookSecret: WEBHOOK_SECRET,
      gatewaySecret: GATEWAY_SECRET,
      onRequest: (next) => {
        caller = next;
      },
    });
    expect(findings).toEqual([]);
    expect(errors).toEqual([]);
    // It got as far as the fields, and not to the door alone.
    expect(codes.NOT_FOUND).toBeGreaterThan(0);
    expect(requests).toBeGreaterThan(100);
    const live = await fetch(`${server.url}/health/live`);
    expect(live.status).toBe(200);
  },
  MAX_MS + 30_000,
);
