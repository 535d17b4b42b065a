import fastify, { type FastifyInstance } from 'fastify';
import { Gauge, Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { unauthenticated } from '../../../src/common/errors.js';
import { metricsRoute } from '../../../src/rest/metricsRoute.js';

let app: FastifyInstance;
afterEach(() => app.close());

/** A registry with one gauge, whose reading waits until it is released. */
async function serve(authorize = async (): Promise<void> => undefined) {
  const registry = new Registry();
  const readings: { resolve: () => void; reject: (error: Error) => void }[] = [];
  let noteReading = () => {};
  new Gauge({
    name: 'waiting',
    help: 'What waits',
    registers: [registry],
    async collect() {
      await new Promise<void>((resolve, reject) => {
        readings.push({ resolve, reject });
        noteReading();
      });
      this.set(readings.length);
    },
  });
  app = fastify();
  await app.register(metricsRoute({ registry, authorize }));
  const begun = () => new Promise<void>((resolve) => (noteReading = resolve));
  const get = () => app.inject('/metrics');
  return { get, begun, readings };
}

it('scrapes at the same time share one reading, and the next one reads again', async () => {
  const { get, begun, readings } = await serve();
  const hasBegun = begun();
  const together = Promise.all([get(), get(), get()]);
  await hasBegun;
  // All three have arrived once an answer that needs no reading has: requests are handled in order.
  await app.inject('/none');
  readings[0]?.resolve();
  for (const { statusCode, body } of await together) {
    expect(statusCode).toBe(200);
    expect(body).toMatch(/^waiting 1$/m);
  }
  const isReading = begun();
  const next = get();
  await isReading;
  readings[1]?.resolve();
  expect((await next).body).toMatch(/^waiting 2$/m);
});

it('a scrape that fails does not fail those after it', async () => {
  const { get, begun, readings } = await serve();
  const hasBegun = begun();
  const failing = get();
  await hasBegun;
  readings[0]?.reject(new Error('a gauge failed'));
  expect((await failing).statusCode).toBe(500);
  const isReading = begun();
  const next = get();
  await isReading;
  readings[1]?.resolve();
  expect((await next).statusCode).toBe(200);
});

it('a request that may not read them reads nothing', async () => {
  const { get, readings } = await serve(async () => {
    throw unauthenticated('no key');
  });
  expect((await get()).statusCode).not.toBe(200);
  expect(readings).toEqual([]);
});
