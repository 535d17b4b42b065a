import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { startTestServer, type TestServer } from '../support/server.js';

let server: TestServer;
let key: string;
const clock = createFakeClock('2126-11-22T12:30:00Z');

interface Reading {
  period: string;
  from: string;
  to: string;
  apiCalls: number;
}

beforeAll(async () => {
  server = await startTestServer({ clock });
  ({ key } = await server.createTenant());
  const at = (instant: string, quantity: number) => ({
    id: instant,
    endpoint: 'jobs',
    quantity,
    at: instant,
  });
  const events = [
    at('2126-10-30T23:59:59.999Z', 1),
    at('2126-10-31T00:00:00Z', 2),
    at('2126-11-01T10:00:00Z', 4),
    at('2126-11-22T11:59:59Z', 8),
    at('2126-11-22T12:00:00Z', 16),
  ];
  const { data } = await server.gql(
    'mutation ($events: [UsageEventInput!]!) { recordUsage(events: $events) { status } }',
    { key, variables: { events } },
  );
  expect(data.recordUsage.every(({ status }: { status: string }) => status === 'ACCEPTED')).toBe(true);
});
afterAll(() => server.stop());

async function ask(from: string, to: string, granularity?: string) {
  return server.gql(
    `query ($from: DateTime!, $to: DateTime!) {
      usageHistory(from: $from, to: $to ${granularity ? `granularity: ${granularity}` : ''}) {
        period from to apiCalls limit remaining resetsAt byEndpoint { endpoint calls }
      } }`,
    { key, variables: { from, to } },
  );
}
async function history(from: string, to: string, granularity?: string): Promise<Reading[]> {
  const { data, errors } = await ask(from, to, granularity);
  expect(errors).toEqual([]);
  return data.usageHistory;
}
const calls = (readings: Reading[]) => readings.map(({ apiCalls }) => apiCalls);
const sum = (readings: Reading[]) => calls(readings).reduce((a, b) => a + b, 0);

describe('usageHistory', () => {
  it('returns days by default, those without a call too', async () => {
    const days = await history('2126-10-30T00:00:00Z', '2126-11-02T00:00:00Z');
    expect(calls(days)).toEqual([1, 2, 4]);
    expect(days[0]).toMatchObject({
      period: 'DAY',
      from: '2126-10-30T00:00:00.000Z',
      to: '2126-10-31T00:00:00.000Z',
      byEndpoint: [{ endpoint: 'jobs', calls: 1 }],
    });
  });

  it('returns the hours that the range touches, up to the current one, with calls only', async () => {
    const hours = await history('2126-11-22T10:59:59Z', '2126-11-22T23:00:00Z', 'HOUR');
    expect(hours.map(({ from, apiCalls }) => [from.slice(11, 16), apiCalls])).toEqual([
      ['10:00', 0],
      ['11:00', 8],
      ['12:00', 16],
    ]);
    expect(hours[1]).toMatchObject({
      period: 'HOUR',
      to: '2126-11-22T12:00:00.000Z',
      resetsAt: '2126-11-22T12:00:00.000Z',
      limit: null,
      remaining: null,
      byEndpoint: [],
    });
    const exact = await history('2126-11-22T11:00:00Z', '2126-11-22T12:00:00Z', 'HOUR');
    expect(calls(exact)).toEqual([8]);
  });

  it('returns months of the days that the range touches', async () => {
    const months = await history('2126-10-31T12:00:00Z', '2126-12-24T00:00:00Z', 'MONTH');
    expect(months.map(({ period, from, to, apiCalls }) => [period, from, to, apiCalls])).toEqual([
      ['MONTH', '2126-10-31T00:00:00.000Z', '2126-11-01T00:00:00.000Z', 2],
      ['MONTH', '2126-11-01T00:00:00.000Z', '2126-11-23T00:00:00.000Z', 28],
    ]);
  });

  it('adds up alike by hour, day and month, over 400 days too', async () => {
    const range = ['2125-10-19T00:00:00Z', '2126-11-23T00:00:00Z'] as const;
    const [hours, days, months] = await Promise.all(
      ['HOUR', 'DAY', 'MONTH'].map((g) => history(...range, g)),
    );
    expect([hours, days, months].map((readings) => sum(readings ?? []))).toEqual([31, 31, 31]);
    expect([hours?.length, days?.length, months?.length]).toEqual([399 * 24 + 13, 400, 14]);
  });

  it('is empty for the future, and ends where the range ends', async () => {
    expect(await history('2126-11-23T00:00:00Z', '2126-11-24T00:00:00Z', 'HOUR')).toEqual([]);
    expect(await history('2126-12-01T00:00:00Z', '2127-01-01T00:00:00Z', 'MONTH')).toEqual([]);
    expect(calls(await history('2126-11-22T12:00:00Z', '2126-11-22T12:00:00.001Z', 'HOUR'))).toEqual([16]);
  });

  it.each([
    ['HOUR', '2126-11-22T00:00:00Z', '2126-11-22T00:00:00Z', 'to'],
    ['MONTH', '2126-11-22T00:00:00Z', '2126-11-21T00:00:00Z', 'to'],
    ['HOUR', '2125-10-18T00:00:00Z', '2126-11-23T00:00:00Z', 'from'],
    ['MONTH', '1970-01-01T00:00:00Z', '9999-01-01T00:00:00Z', 'from'],
  ])('rejects a range by %s from %s to %s as BAD_USER_INPUT', async (granularity, from, to, argument) => {
    const { errors } = await ask(from, to, granularity);
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', argument });
  });
});

it('usage of the HOUR is read like the other periods, for a tenant and by the operator', async () => {
  const expected = {
    period: 'HOUR',
    from: '2126-11-22T12:00:00.000Z',
    to: '2126-11-22T13:00:00.000Z',
    apiCalls: 16,
    limit: null,
  };
  const own = await server.gql('{ usage(period: HOUR) { period from to apiCalls limit } }', { key });
  expect(own.data.usage).toEqual(expected);
  const all = await server.gql(
    '{ tenants { edges { node { usage(period: HOUR) { period from to apiCalls limit } } } } }',
  );
  expect(all.data.tenants.edges[0].node.usage).toEqual(expected);
});
