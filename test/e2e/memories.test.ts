import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reserveStorage } from '../support/ledger.js';
import { quiet, startTestServer, type TestServer, type TestTenant } from '../support/server.js';

let server: TestServer;
let tenant: TestTenant;
const WIDE = { apiCallsPerDay: 100_000, apiCallsPerMinute: 100_000, concurrentRequests: 1_000 };

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

async function fresh(): Promise<TestTenant> {
  tenant = await server.createTenant();
  await server.setLimits(tenant.id, WIDE, 'PRO');
  return tenant;
}
const run = async (query: string, variables?: object) => {
  const answer = await server.gql(query, { key: tenant.key, ...(variables && { variables }) });
  expect(answer.errors).toEqual([]);
  return answer.data;
};
const store = async (...input: object[]) =>
  (
    await run(
      'mutation ($input: [StoreMemoryInput!]!) { storeMemories(input: $input) { id content bytes } }',
      { input },
    )
  ).storeMemories as { id: string; content: string; bytes: number }[];

describe('storing', () => {
  it('keeps content, embedding and metadata exactly', async () => {
    await fresh();
    const input = {
      content: 'Zoë — 記憶',
      embedding: [0.1, -2.5e-9, 1 / 3],
      metadata: { a: { b: [1, 'x', null] }, $c: 1, 'd.e': 2, g: { _bsontype: 'ObjectId' } },
    };
    const { storeMemory } = await run(
      'mutation ($input: StoreMemoryInput!) { storeMemory(input: $input) { id } }',
      { input },
    );
    const { memory } = await run(
      'query ($id: ID!) { memory(id: $id) { content embedding metadata bytes shared createdAt } }',
      storeMemory,
    );
    expect(memory).toMatchObject({ ...input, shared: false });
    expect(memory.bytes).toBe(Buffer.byteLength(input.content) + JSON.stringify(input.metadata).length + 24);
    expect(Date.parse(memory.createdAt)).toBeGreaterThan(Date.now() - 60_000);
  });

  it('stores many or none', async () => {
    await fresh();
    const mixed = [
      { content: 'a', embedding: [1] },
      { content: 'b', embedding: [1, 2] },
    ];
    const refused = await server.gql(
      'mutation ($input: [StoreMemoryInput!]!) { storeMemories(input: $input) { id } }',
      {
        key: tenant.key,
        variables: { input: mixed },
      },
    );
    expect(refused.status).toBe(400);
    expect(refused.errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    expect((await run('{ storage { memories embeddings bytes } }')).storage).toEqual({
      memories: 0,
      embeddings: 0,
      bytes: 0,
    });
  });

  it("rejects an embedding of another length than the tenant's, until the last of them is deleted", async () => {
    await fresh();
    const [first] = await store({ content: 'a', embedding: [1, 2] });
    const other = () =>
      server.gql('mutation { storeMemory(input: { content: "b", embedding: [1, 2, 3] }) { id } }', {
        key: tenant.key,
      });
    const refused = await other();
    expect(refused.errors[0]?.extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      argument: 'input.embedding',
    });
    expect((await run('{ storage { memories embeddings } }')).storage).toEqual({
      memories: 1,
      embeddings: 1,
    });
    await run(`mutation { deleteMemory(id: "${first?.id}") }`);
    expect((await other()).errors).toEqual([]);
  });
});

describe('reading', () => {
  it('lists by cursor, oldest first, each once', async () => {
    await fresh();
    const stored = await store(...Array.from({ length: 7 }, (_, i) => ({ content: `memory ${i}` })));
    const seen: string[] = [];
    let after: string | null = null;
    let pages = 0;
    do {
      const {
        memories,
      }: {
        memories: {
          edges: { node: { id: string } }[];
          pageInfo: { hasNextPage: boolean; endCursor: string };
        };
      } = await run(
        'query ($after: String) { memories(first: 3, after: $after) { edges { node { id } } pageInfo { hasNextPage endCursor } } }',
        { after },
      );
      seen.push(...memories.edges.map(({ node }) => node.id));
      after = memories.pageInfo.hasNextPage ? memories.pageInfo.endCursor : null;
      pages++;
    } while (after);
    expect(seen).toEqual(stored.map(({ id }) => id));
    expect(pages).toBe(3);
  });

  it('answers null for a memory that is not there', async () => {
    await fresh();
    expect(await run('{ memory(id: "mem_none") { id } }')).toEqual({ memory: null });
    expect(await run('mutation { deleteMemory(id: "mem_none") }')).toEqual({ deleteMemory: false });
  });
});

describe('searching', () => {
  it('finds by words, in the own tenant only', async () => {
    await fresh();
    await store({ content: 'a secret of somebody else: quantum' });
    await fresh();
    await store(
      { content: 'The quantum computer' },
      { content: 'Cooking pasta' },
      { content: 'Quantum quantum fields' },
    );
    const { searchMemories } = await run(
      '{ searchMemories(input: { query: "quantum" }) { score memory { content } } }',
    );
    expect(searchMemories.map(({ memory }: { memory: { content: string } }) => memory.content)).toEqual([
      'Quantum quantum fields',
      'The quantum computer',
    ]);
    expect(searchMemories[0].score).toBeGreaterThan(searchMemories[1].score);
  });

  it('finds the nearest embeddings by cosine, best first', async () => {
    await fresh();
    await store(
      { content: 'east', embedding: [1, 0] },
      { content: 'north', embedding: [0, 5] },
      { content: 'north-east', embedding: [2, 2] },
      { content: 'west', embedding: [-1, 0] },
      { content: 'nowhere' },
    );
    const { searchMemories } = await run(
      '{ searchMemories(input: { embedding: [3, 1], first: 3 }) { score memory { content } } }',
    );
    expect(searchMemories.map(({ memory }: { memory: { content: string } }) => memory.content)).toEqual([
      'east',
      'north-east',
      'north',
    ]);
    expect(searchMemories[0].score).toBeCloseTo(3 / Math.sqrt(10), 12);
  });

  it('rejects an embedding of another length, and neither or both of text and embedding', async () => {
    await fresh();
    await store({ content: 'a', embedding: [1, 0] });
    for (const input of ['{ embedding: [1, 2, 3] }', '{}', '{ query: "a", embedding: [1, 0] }']) {
      const answer = await server.gql(`{ searchMemories(input: ${input}) { score } }`, { key: tenant.key });
      expect(answer.status).toBe(400);
      expect(answer.errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    }
  });
});

describe('sharing', () => {
  it('counts a share once, and calls as often as it is called', async () => {
    await fresh();
    const [memory] = await store({ content: 'a' });
    const share = `mutation { shareMemory(id: "${memory?.id}") { shared } }`;
    expect((await run(share)).shareMemory.shared).toBe(true);
    await run(share);
    const { usage } = await run('{ usage { federationShares byEndpoint { endpoint calls } } }');
    expect(usage.federationShares).toBe(1);
    expect(usage.byEndpoint).toContainEqual({ endpoint: 'shareMemory', calls: 2 });
  });

  it('gets NOT_FOUND for a memory that does not exist, and for another tenant’s', async () => {
    await fresh();
    const [memory] = await store({ content: 'a' });
    await fresh();
    const answer = await server.gql(`mutation { shareMemory(id: "${memory?.id}") { id } }`, {
      key: tenant.key,
    });
    expect(answer.errors[0]?.extensions.code).toBe('NOT_FOUND');
  });
});

describe('storage counters', () => {
  it('equal what is stored after a crash between the hold and the storing', async () => {
    await fresh();
    const { storage, admission } = server.app.services;
    const reserve = (amounts: Record<string, number>) =>
      reserveStorage(admission, tenant.id, limits, amounts);
    const limits = { maxMemories: 2, maxEmbeddings: 2, maxStorageBytes: 1_000 };
    const held = await reserve({ memories: 2, embeddings: 0, bytes: 10 });
    expect(held.granted).toBe(true);
    // Nobody settles it: to the reader it never happened, and the room comes back with the sweep.
    expect((await run('{ storage { memories bytes } }')).storage).toEqual({ memories: 0, bytes: 0 });
    expect((await reserve({ memories: 1, embeddings: 0, bytes: 1 })).granted).toBe(false);
    await server.app.models.ledgers.updateOne(
      { _id: tenant.id },
      { $set: { 'reservations.0.at': new Date(Date.now() - 600_000) } },
    );
    expect(await storage.sweep()).toBe(1);
    expect((await reserve({ memories: 2, embeddings: 0, bytes: 1 })).granted).toBe(true);
  });

  it('equal what is stored after sixty stores and deletions at once', async () => {
    await fresh();
    const stored = await store(
      ...Array.from({ length: 30 }, (_, i) => ({ content: `old ${i}`, embedding: [i, 1] })),
    );
    await Promise.all([
      ...stored.map(({ id }) => run(`mutation { deleteMemory(id: "${id}") }`)),
      ...Array.from({ length: 30 }, () =>
        run('mutation { storeMemory(input: { content: "new", embedding: [1, 1] }) { id } }'),
      ),
    ]);
    expect((await run('{ storage { memories embeddings bytes } }')).storage).toEqual({
      memories: 30,
      embeddings: 30,
      bytes: 30 * 19,
    });
    expect(await server.app.models.memories.countDocuments({ tenantId: tenant.id })).toBe(30);
  });
});

describe('reads', () => {
  it('lists 100 tenants with tier, subscription, usage and storage in six database reads, as ten', async () => {
    for (let i = 0; i < 12; i++) await server.createTenant(`Listed ${i}`);
    const extra = Array.from({ length: 100 }, (_, i) => ({
      _id: `ten_9${String(i).padStart(6, '0')}`,
      name: 'Bulk',
      email: null,
      contract: { tier: null, limits: {} },
      createdAt: new Date(),
    }));
    await server.app.models.tenants.insertMany(extra);
    await quiet(server);
    // The database counts what it is asked.
    await server.app.models.connection.db?.command({ profile: 2 });
    const list = async (first: number) => {
      const since = new Date();
      const { data } = await server.gql(
        `{ tenants(first: ${first}) { edges { node { id tier { name } subscription { status } usage { apiCalls } storage { memories } } } } }`,
      );
      expect(data.tenants.edges).toHaveLength(first);
      const [{ node: listed }] = data.tenants.edges;
      const profiled = await server.app.models.connection
        .collection('system.profile')
        .find({ ts: { $gte: since }, op: { $in: ['query', 'command'] } })
        .toArray();
      // The ids of the page, its tenants, and what is read of those: what the server does meanwhile names none of them.
      return profiled.filter(
        ({ ns, command }) => ns.endsWith('.tenants') || JSON.stringify(command).includes(listed.id),
      ).length;
    };
    // A background pass in between only adds to them.
    await expect.poll(() => list(10)).toBe(6);
    await expect.poll(() => list(100)).toBe(6);
    await server.app.models.connection.db?.command({ profile: 0 });
  });
});
