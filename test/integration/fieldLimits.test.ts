import { parseWindow } from '@continuum-billing/limits/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCollections, createModels, type Models } from '../../src/models/models.js';
import { createMongoCallWindows } from '../../src/services/limits/fieldLimits/callWindows.js';
import { createFieldLimits } from '../../src/services/limits/fieldLimits/fieldLimits.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer } from '../support/server.js';
import { systemClock } from '../support/systemClock.js';

let database: TestDatabase;
let models: Models;
const create = () => createFieldLimits({ windows: createMongoCallWindows({ models, clock: systemClock }) });

beforeAll(async () => {
  database = await connectTestDatabase();
  models = createModels(database.connection);
  await createCollections(models);
});
afterAll(() => database.dropAndClose());

describe('a field limit', () => {
  it('lets exactly max of many concurrent calls through, on any number of instances', async () => {
    const instances = [1, 2, 3].map(create);
    const limit = { field: 'Query.narrow', max: 7, window: '1m' };
    const results = await Promise.all(
      Array.from({ length: 90 }, (_, i) => instances[i % 3]?.take('ten_a', limit)),
    );
    expect(results.filter((refusal) => refusal === null)).toHaveLength(7);
    expect(results.find((refusal) => refusal)?.resetsAt?.getTime()).toBeGreaterThan(Date.now());
    expect(await instances[0]?.take('ten_b', limit)).toBeNull();
    expect(await instances[0]?.take('ten_a', { ...limit, field: 'Query.other' })).toBeNull();
  });

  it('slides: room comes back when the oldest call leaves the window, rejected calls use none', async () => {
    const clock = createFakeClock('2026-11-22T12:00:00Z');
    const limits = createFieldLimits({ windows: createMongoCallWindows({ models, clock }) });
    const limit = { field: 'Query.sliding', max: 2, window: '400ms' };
    expect(await limits.take('t', limit)).toBeNull();
    clock.advance(100);
    expect(await limits.take('t', limit)).toBeNull();
    clock.advance(100);
    const refused = await limits.take('t', limit);
    expect(refused?.resetsAt).toEqual(new Date('2026-11-22T12:00:00.400Z'));
    clock.advance(200);
    expect(await limits.take('t', limit)).toBeNull();
    expect(await limits.take('t', limit)).not.toBeNull();
  });

  it('is decided by the clock it was given, which may be another than the machine has', async () => {
    const clock = createFakeClock('2020-01-01T00:00:00Z');
    const limits = createFieldLimits({ windows: createMongoCallWindows({ models, clock }) });
    const limit = { field: 'Query.past', max: 1, window: '1m' };
    expect(await limits.take('t', limit)).toBeNull();
    clock.advance(59_999);
    expect(await limits.take('t', limit)).toEqual({
      remaining: 0,
      resetsAt: new Date('2020-01-01T00:01:00Z'),
    });
    clock.advance(1);
    expect(await limits.take('t', limit)).toBeNull();
  });

  it('keeps no more than max calls in the database', async () => {
    const limits = create();
    await Promise.all(
      Array.from({ length: 50 }, () => limits.take('t', { field: 'Query.small', max: 3, window: '1m' })),
    );
    expect((await models.fieldWindows.findById('t:Query.small').lean())?.calls).toHaveLength(3);
  });

  it.each(['', 'soon', '-1s', '0s', '40d', '1 fortnight', 'NaN'])('rejects the window "%s"', (window) => {
    expect(parseWindow(window)).toBeNull();
  });
});

it('a field of the schema with max and window is rejected with 429, names its window, and costs no call', async () => {
  const server = await startTestServer();
  try {
    const { key } = await server.createTenant();
    const many = Array.from(
      { length: 61 },
      (_, i) => `k${i}: createApiKey(input: { name: "k" }) { apiKey { id } }`,
    );
    const answer = await server.gql(`mutation { ${many.join(' ')} }`, { key });
    expect(answer.status).toBe(429);
    expect(answer.errors[0]?.extensions).toMatchObject({
      code: 'RATE_LIMITED',
      limit: 60,
      window: '1m',
      remaining: 60,
    });
    expect(answer.errors[0]?.message).toContain('split it');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    const { data } = await server.gql('{ apiKeys { id } usage { apiCalls } }', { key });
    expect(data.apiKeys).toHaveLength(1);
    expect(data.usage.apiCalls).toBe(0);
  } finally {
    await server.stop();
  }
});
