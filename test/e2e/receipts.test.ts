import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createFakeClock } from '../support/fakeClock.js';
import { createServiceKey } from '../support/federation.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile, storingCatalogue } from '../support/teamCatalogue.js';

interface Decision {
  allowed: boolean;
  receipt: string | null;
  holds: { id: string }[];
}
interface End {
  unearned?: object[];
  keptHolds?: string[];
  releasedHolds?: string[];
}

const clock = createFakeClock(Date.now());
const env = { CATALOG_FILE: catalogueFile(storingCatalogue({ lamps: 5 })) };
let server: TestServer;
let serviceKey: string;
let tenant: TestTenant;

beforeAll(async () => {
  server = await startTestServer({ env, clock });
  serviceKey = await createServiceKey(server);
});
afterAll(() => server.stop());
beforeEach(async () => {
  tenant = await server.createTenant();
});

async function decide(charges: object[], stores: object[] = []): Promise<Decision> {
  const operation = { apiKey: tenant.key, scope: 'WRITE', charges, features: [], fieldLimits: [], stores };
  const { data } = await server.gql(
    `mutation ($operations: [OperationInput!]!) {
       decideOperations(operations: $operations) { allowed receipt holds { id } } }`,
    { key: serviceKey, variables: { operations: [operation] } },
  );
  return data.decideOperations[0];
}

const endAll = (ends: (End & { receipt: string | null })[], key = serviceKey, at = server) =>
  at.gql('mutation ($operations: [EndedOperationInput!]!) { endOperations(operations: $operations) }', {
    key,
    variables: {
      operations: ends.map((end) => ({ unearned: [], keptHolds: [], releasedHolds: [], ...end })),
    },
  });
const end = (receipt: string | null, ended: End, key = serviceKey) => endAll([{ receipt, ...ended }], key);

const calls = async (): Promise<number> =>
  (await server.gql('{ usage { apiCalls } }', { key: tenant.key })).data.usage.apiCalls;
const rejection = { status: 400, errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] };
const jobs = (cost: number) => ({ endpoint: 'jobs', cost });

describe('calls that a service was granted', () => {
  it('are returned once by their receipt, however often and wherever that is repeated at once', async () => {
    const other = await startTestServer({ env, clock, uri: server.uri });
    const { receipt } = await decide([jobs(5)]);
    const ended = { receipt, unearned: [jobs(3)] };
    const answers = await Promise.all([
      endAll([ended, ended]),
      endAll([ended]),
      endAll([ended], serviceKey, other),
      endAll([ended], serviceKey, other),
    ]);
    for (const { data } of answers) expect(data).toEqual({ endOperations: true });
    await endAll([{ receipt, unearned: [jobs(2)] }]);
    expect(await calls()).toBe(2);
    await other.stop();
  });

  it('are not returned past what was granted under each endpoint, and nothing of such a call is', async () => {
    const { receipt } = await decide([jobs(2), jobs(1), { endpoint: 'other', cost: 1 }]);
    const good = await decide([jobs(1)]);
    expect(await end(receipt, { unearned: [jobs(4)] })).toMatchObject(rejection);
    expect(await end(receipt, { unearned: [jobs(2), jobs(2)] })).toMatchObject(rejection);
    expect(await end(receipt, { unearned: [{ endpoint: 'never', cost: 1 }] })).toMatchObject(rejection);
    expect(
      await endAll([
        { receipt: good.receipt, unearned: [jobs(1)] },
        { receipt, unearned: [jobs(1_000_000)] },
      ]),
    ).toMatchObject(rejection);
    expect(await calls()).toBe(5);
    await end(receipt, { unearned: [jobs(3), { endpoint: 'other', cost: 1 }] });
    expect(await calls()).toBe(1);
  });

  it('are not returned by a receipt that is forged, altered, of another key, or without one', async () => {
    const { receipt } = await decide([jobs(5)]);
    const [version, key, payload = '', signature] = (receipt ?? '').split('.');
    const content = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const altered = (change: object) =>
      Buffer.from(JSON.stringify({ ...content, ...change })).toString('base64url');
    const forged = [
      '',
      'v1',
      `${version}.${key}.${altered({ c: [['jobs', 100]] })}.${signature}`,
      `${version}.${key}.${altered({ n: 'another' })}.${signature}`,
      `${version}.unknown.${payload}.${signature}`,
      `${version}.${key}.${payload}.${'A'.repeat(43)}`,
      `${version}.${key}.${payload}.`,
      `v2.${key}.${payload}.${signature}`,
      `${receipt}A`,
      `${receipt}.${signature}`,
      'x'.repeat(100_000),
    ];
    for (const text of forged)
      expect(await end(text, { unearned: [jobs(1)] }), text).toMatchObject(rejection);
    const otherKey = await createServiceKey(server);
    expect(await end(receipt, { unearned: [jobs(1)] }, otherKey)).toMatchObject(rejection);
    expect(await endAll([{ unearned: [jobs(1)] } as never])).toMatchObject({ status: 400 });
    expect(await calls()).toBe(5);
  });

  it('are not returned by a receipt that has expired; used receipts are forgotten after that', async () => {
    const { receipt } = await decide([jobs(5)]);
    await end(receipt, {});
    clock.advance(16 * 60_000);
    expect(await end(receipt, { unearned: [jobs(1)] })).toMatchObject({
      status: 400,
      errors: [{ message: expect.stringContaining('expired') }],
    });
    const [used] = await server.app.models.endedReceipts.find({ _id: new RegExp(`^${tenant.id}:`) }).lean();
    expect(used?.expiresAt.getTime()).toBeGreaterThan(clock.now());
    expect(used?.expiresAt.getTime()).toBeLessThan(clock.now() + 30 * 60_000);
    clock.advance(-16 * 60_000);
  });

  it('are returned by a receipt of the key before the present one, and of none before that', async () => {
    const settings = server.app.models.connection.collection<{ _id: string }>('settings');
    const { receipt } = await decide([jobs(2)]);
    const replaced = async () => {
      await settings.updateOne({ _id: 'receiptKeys' }, { $set: { replacedAt: new Date(0) } });
      const fresh = await startTestServer({ env, clock, uri: server.uri });
      return fresh;
    };
    const second = await replaced();
    expect((await endAll([{ receipt, unearned: [jobs(1)] }], serviceKey, second)).errors).toEqual([]);
    expect(await calls()).toBe(1);
    const old = await decide([jobs(2)]);
    await second.stop();
    await (await replaced()).stop();
    const third = await startTestServer({ env, clock, uri: server.uri });
    expect(await endAll([{ receipt: old.receipt, unearned: [jobs(1)] }], serviceKey, third)).toMatchObject(
      rejection,
    );
    await third.stop();
  });
});

describe('an operation that takes nothing', () => {
  it('has no receipt', async () => {
    expect(await decide([])).toMatchObject({ allowed: true, receipt: null });
  });
});

describe('storage', () => {
  const lamps = [
    {
      rootField: 'a',
      amounts: [
        { resource: 'lamps', amount: 1 },
        { resource: 'bytes', amount: 50 },
      ],
    },
  ];
  const stored = async () => {
    const { data } = await server.gql(
      '{ storage { memories embeddings bytes resources { resource stored } } }',
      { key: tenant.key },
    );
    const { memories, embeddings, bytes, resources } = data.storage;
    return { memories, embeddings, bytes, lamps: resources[0].stored };
  };
  const asService = (field: string, input: object) =>
    server.gql(
      `mutation ($input: ${field === 'setStored' ? 'SetStored' : 'FreeStorage'}Input!) { ${field}(input: $input) }`,
      { key: serviceKey, variables: { input: { tenantId: tenant.id, ...input } } },
    );

  it('that was held ends only by the receipt that names it', async () => {
    const first = await decide([], lamps);
    const second = await decide([], lamps);
    const keptHolds = second.holds.map(({ id }) => id);
    expect(await end(first.receipt, { keptHolds })).toMatchObject(rejection);
    expect(await end(first.receipt, { releasedHolds: keptHolds })).toMatchObject(rejection);
    await end(second.receipt, { keptHolds });
    await end(first.receipt, { releasedHolds: first.holds.map(({ id }) => id) });
    expect(await stored()).toMatchObject({ lamps: 1, bytes: 50 });
  });

  it('of memories, their embeddings and their bytes is not changed by a service', async () => {
    await server.setLimits(tenant.id, { maxEmbeddings: 10 });
    const { errors } = await server.gql(
      'mutation { storeMemory(input: { content: "a memory of 25 characters", embedding: [1, 2] }) { id } }',
      { key: tenant.key },
    );
    expect(errors).toEqual([]);
    const before = await stored();
    expect(before).toMatchObject({ memories: 1, embeddings: 1, bytes: 41 });
    for (const resource of ['memories', 'embeddings', 'externalBytes', 'holds', 'dimensions']) {
      expect(await asService('setStored', { resource, amount: 0 })).toMatchObject(rejection);
      expect(await asService('freeStorage', { amounts: [{ resource, amount: 1 }] })).toMatchObject(rejection);
      const taken = await server.gql(
        'mutation ($o: [OperationInput!]!) { decideOperations(operations: $o) { allowed } }',
        {
          key: serviceKey,
          variables: {
            o: [
              {
                apiKey: tenant.key,
                scope: 'WRITE',
                charges: [],
                features: [],
                fieldLimits: [],
                stores: [{ rootField: 'a', amounts: [{ resource, amount: 1 }] }],
              },
            ],
          },
        },
      );
      expect(taken).toMatchObject(rejection);
    }
    await asService('setStored', { resource: 'bytes', amount: 0 });
    await asService('freeStorage', { amounts: [{ resource: 'bytes', amount: 1_000 }] });
    expect(await stored()).toEqual(before);
    await asService('setStored', { resource: 'bytes', amount: 9 });
    expect(await stored()).toMatchObject({ bytes: 50 });
  });
});
