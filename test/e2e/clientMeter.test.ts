import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  type BillingClient,
  type BillingClientError,
  createBillingClient,
  type MeterOptions,
  type RejectedEvent,
} from '@continuum-billing/client';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { closedAddress, type FlakyProxy, startFlakyProxy } from '../support/flakyProxy.js';
import { OPERATOR_KEY, startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { buildServer } from '../support/serverProcess.js';
import { soon } from '../support/soon.js';

let server: TestServer;
let proxy: FlakyProxy;
let target: string;
let tenant: TestTenant;
let billing: BillingClient;

beforeAll(async () => {
  [server] = await Promise.all([startTestServer(), buildServer()]);
  proxy = await startFlakyProxy(() => target);
}, 120_000);
afterAll(async () => {
  await proxy?.stop();
  await server?.stop();
});
beforeEach(async () => {
  target = server.url;
  proxy.bodies.length = 0;
  tenant = await server.createTenant();
  billing = createBillingClient({ url: proxy.url, apiKey: tenant.key, retries: 1 });
});

const calls = async (key = tenant.key) =>
  (await createBillingClient({ url: server.url, apiKey: key }).usage()).apiCalls;
const sizes = () => proxy.bodies.map((body) => JSON.parse(body).variables.events.length);
/** A meter that sends only when it is full or asked to. */
const meterOf = (options: MeterOptions = {}) => billing.meter({ intervalMs: 3_600_000, ...options });

it('events are sent together: when there are enough, after a while, and when asked to', async () => {
  const full = meterOf({ batchSize: 10 });
  for (let i = 0; i < 25; i++) full.record({ endpoint: 'render', quantity: 2 });
  expect(full.waiting).toBe(25);
  await soon(() => expect(full.waiting).toBe(5));
  await full.flush();
  expect(sizes().toSorted((a, b) => a - b)).toEqual([5, 10, 10]);
  const patient = billing.meter({ intervalMs: 50 });
  patient.record({ endpoint: 'render' });
  await soon(() => expect(patient.waiting).toBe(0));
  expect(await calls()).toBe(51);
  await patient.close();
  expect(() => patient.record({ endpoint: 'render' })).toThrow('The meter is closed');
});

it('a batch whose answer is lost, or whose connection is killed, is sent again and counted once', async () => {
  const meter = meterOf({ batchSize: 1_000 });
  const recordMany = () => {
    for (let i = 0; i < 300; i++) meter.record({ endpoint: 'render' });
  };
  recordMany();
  proxy.loseAnswers(2);
  // The client tries twice; what has no answer then waits in the meter.
  await expect(meter.flush()).rejects.toMatchObject({ code: 'NETWORK_ERROR' });
  expect(meter.waiting).toBe(300);
  await meter.flush();
  recordMany();
  const isCounted = proxy.holdNext();
  const flushing = meter.flush();
  await isCounted;
  proxy.cut();
  await flushing;
  expect(sizes()).toEqual([300, 300, 300, 300, 300]);
  expect(meter.waiting).toBe(0);
  expect(await calls()).toBe(600);
});

it('a full buffer is an error, or makes its callers wait; nothing that was taken is lost', async () => {
  target = await closedAddress();
  const errors: BillingClientError[] = [];
  const meter = billing.meter({
    maxEvents: 20,
    batchSize: 10,
    intervalMs: 20,
    onError: (error) => errors.push(error as BillingClientError),
  });
  for (let i = 0; i < 20; i++) meter.record({ endpoint: 'render' });
  expect(() => meter.record({ endpoint: 'render' })).toThrow(
    expect.objectContaining({ code: 'BUFFER_FULL', message: expect.stringContaining('was not taken') }),
  );
  const patient = Promise.all(Array.from({ length: 30 }, () => meter.recordWhenRoom({ endpoint: 'render' })));
  const impatient = meter.recordWhenRoom({ endpoint: 'render' }, { signal: AbortSignal.timeout(50) });
  await expect(impatient).rejects.toMatchObject({ name: 'TimeoutError' });
  await soon(() => expect(errors.length).toBeGreaterThan(0));
  expect(errors[0]?.code).toBe('NETWORK_ERROR');
  expect(meter.waiting).toBe(20);
  target = server.url;
  expect(new Set(await patient).size).toBe(30);
  await meter.close();
  expect(await calls()).toBe(50);
});

it('an event that the server does not count is reported, and the others are counted', async () => {
  const rejected: RejectedEvent[] = [];
  const meter = meterOf({ onRejected: (events) => rejected.push(...events) });
  meter.record({ endpoint: 'render', id: 'a' });
  meter.record({ endpoint: 'render', id: 'a', quantity: 2 });
  meter.record({ endpoint: 'render', id: 'b', at: new Date(Date.now() + 3_600_000) });
  meter.record({ endpoint: 'render', id: 'c' });
  await meter.flush();
  await soon(() => expect(rejected).toHaveLength(2));
  expect(rejected).toMatchObject([
    { status: 'CONFLICT', event: { id: 'a', quantity: 2 } },
    { status: 'REJECTED', event: { id: 'b' }, reason: expect.stringMatching(/./) },
  ]);
  expect(await calls()).toBe(2);
  for (const [event, argument] of [
    [{ endpoint: '' }, 'endpoint'],
    [{ endpoint: 'x'.repeat(101) }, 'endpoint'],
    [{ endpoint: 'x', quantity: 0.5 }, 'quantity'],
    [{ endpoint: 'x', id: '' }, 'id'],
    [{ endpoint: 'x', at: 'yesterday' }, 'at'],
  ] as const)
    expect(() => meter.record(event)).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', fields: [expect.objectContaining({ argument })] }),
    );
  expect(meter.waiting).toBe(0);
});

it('an operator records for many tenants; one that does not exist does not hold up the others', async () => {
  const operator = createBillingClient({ url: server.url, apiKey: OPERATOR_KEY });
  const rejected: RejectedEvent[] = [];
  const meter = operator.meter({ intervalMs: 3_600_000, onRejected: (events) => rejected.push(...events) });
  const tenants = await Promise.all(Array.from({ length: 6 }, () => server.createTenant()));
  meter.record({ externalId: 'nobody', endpoint: 'render' });
  for (let i = 0; i < 30; i++)
    meter.record({ tenantId: (tenants[i % 6] as TestTenant).id, endpoint: 'render' });
  await meter.flush();
  await soon(() => expect(rejected).toHaveLength(1));
  expect(rejected[0]).toMatchObject({ event: { externalId: 'nobody' }, status: 'REJECTED' });
  expect(await Promise.all(tenants.map(({ key }) => calls(key)))).toEqual([5, 5, 5, 5, 5, 5]);
});

const PROGRAM = `
  import { createBillingClient } from './packages/client/dist/index.js';
  const billing = createBillingClient({ url: process.env.URL, apiKey: process.env.KEY, retries: 0 });
  const meter = billing.meter();
  for (let i = 0; i < 7; i++) meter.record({ endpoint: 'render' });
`;
const runProgram = (url: string) =>
  promisify(execFile)(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    env: { PATH: process.env.PATH ?? '', URL: url, KEY: tenant.key },
  });

it('a process that ends sends what waits, and says so if it cannot', async () => {
  expect(await runProgram(server.url)).toEqual({ stdout: '', stderr: '' });
  expect(await calls()).toBe(7);
  const { stderr } = await runProgram(await closedAddress());
  expect(stderr).toMatch(/7 usage events are lost, because the process ends: .*ECONNREFUSED/);
});
