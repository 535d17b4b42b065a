import { randomBytes } from 'node:crypto';
import { getIntrospectionQuery } from 'graphql';
import type { Models } from '../src/models/models.js';
import { generateKey } from '../src/services/accounts/keySecret.js';
import { encodeEndpoint } from '../src/services/limits/ledger/endpointNames.js';
import { packEmbedding } from '../src/services/memories/embedding.js';
import type { LoadRequest } from './load/load.js';
import type { Progress } from './progress.js';
import { storeHistory } from './stored/history.js';
import type { BusyTenant } from './stored/tenants.js';

/** A request that costs its sender little, and the server as much as it accepts. */
export interface Attack {
  name: string;
  /** Each another one, where what is remembered of an earlier one would make it cheaper. */
  requests: LoadRequest[];
}

const VARIANTS = 200;
const HISTORY_DAYS = 400;
const ENDPOINTS_A_DAY = 500;
const EMBEDDINGS = 1_000;
const DIMENSIONS = 8_192;
const LARGE_MEMORIES = 30;
const MEGABYTE = 1_000_000;

const times = (count: number, text: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => text(i)).join(' ');
const variants = (request: (i: number) => LoadRequest): LoadRequest[] =>
  Array.from({ length: VARIANTS }, (_, i) => request(i));

function post(body: object, key?: string): LoadRequest {
  return {
    headers: { 'content-type': 'application/json', ...(key !== undefined && { 'x-api-key': key }) },
    body: JSON.stringify(body),
  };
}

/** What a stranger can send. */
export function anonymousAttacks(): Attack[] {
  const introspection = getIntrospectionQuery().replace(/^[^{]*\{/, '{');
  const schema = introspection
    .slice(introspection.indexOf('__schema'), introspection.indexOf('fragment'))
    .replace(/\}\s*$/, '');
  const fragments = introspection.slice(introspection.indexOf('fragment'));
  return [
    {
      name: 'introspection as often as the budget allows',
      requests: variants((i) =>
        post({ query: `query Q${i} { ${times(1, (n) => `a${n}: ${schema}`)} } ${fragments}` }),
      ),
    },
    {
      name: 'aliases below introspected fields',
      requests: variants((i) =>
        post({
          query: `{ __schema { types { fields { ${times(4_900, (n) => `a${i}_${n}: description`)} } } } }`,
        }),
      ),
    },
    {
      name: 'a document that is slow to validate',
      requests: variants((i) =>
        post({
          query: `{ ${times(95, (n) => `t${n}: tiers { ${times(50, (m) => `a${i}_${m}: name`)} }`)} }`,
        }),
      ),
    },
    {
      name: 'fields that do not exist',
      requests: variants((i) => post({ query: `{ ${times(6_000, (n) => `x${i}_${n}`)} }` })),
    },
    {
      name: 'variables of a megabyte',
      requests: [
        post({
          query: STORE,
          variables: { input: Object.fromEntries(Array.from({ length: 80_000 }, (_, n) => [`u${n}`, 1])) },
        }),
      ],
    },
    {
      name: 'nested brackets',
      requests: [post({ query: `{ tier(name: ${'['.repeat(9_000)}${']'.repeat(9_000)}) { name } }` })],
    },
    {
      name: 'a body that is no JSON',
      requests: [{ headers: { 'content-type': 'application/json' }, body: '['.repeat(MEGABYTE) }],
    },
    {
      name: 'wrong keys',
      requests: variants(() => post({ query: '{ usage { apiCalls } }' }, generateKey('test').key)),
    },
  ];
}

/** What a tenant can send. */
export function tenantAttacks(key: string): Attack[] {
  const range = `from: "${new Date(Date.now() - (HISTORY_DAYS - 1) * 86_400_000).toISOString()}", to: "${new Date().toISOString()}"`;
  const vector = JSON.stringify(Array.from({ length: DIMENSIONS }, (_, n) => n % 7));
  const large = 'x'.repeat(MEGABYTE);
  const many = Array.from({ length: 1_000 }, (_, n) => ({
    id: `e${n}`,
    endpoint: `endpoint ${n}`,
    quantity: 1,
  }));
  return [
    {
      name: 'history by the hour as wide as the budget allows',
      requests: [
        post(
          { query: `{ usageHistory(${range}, granularity: HOUR) { ${times(7, (n) => `a${n}: from`)} } }` },
          key,
        ),
      ],
    },
    {
      name: 'days with all their endpoints',
      requests: [
        post(
          {
            query: `{ ${times(2, (n) => `a${n}: usageHistory(${range}) { byEndpoint { endpoint calls } }`)} }`,
          },
          key,
        ),
      ],
    },
    {
      name: 'pages of large memories',
      requests: [
        post(
          { query: `{ ${times(20, (n) => `a${n}: memories(first: 100) { edges { node { content } } }`)} }` },
          key,
        ),
      ],
    },
    {
      name: 'pages of embeddings',
      requests: [
        post(
          {
            query: `{ ${times(30, (n) => `a${n}: memories(first: 100) { edges { node { embedding } } }`)} }`,
          },
          key,
        ),
      ],
    },
    {
      name: 'searches of all embeddings',
      requests: [
        post(
          {
            query: `query ($v: [Float!]!) { ${times(4, (n) => `a${n}: searchMemories(input: { embedding: $v }) { score }`)} }`,
            variables: { v: JSON.parse(vector) },
          },
          key,
        ),
      ],
    },
    {
      name: 'a memory of a megabyte',
      requests: [post({ query: STORE_LARGE, variables: { input: { content: large } } }, key)],
    },
    {
      name: 'a thousand events',
      requests: variants((i) =>
        post(
          {
            query: RECORD,
            variables: {
              events: many.map((event) => ({
                ...event,
                id: `${event.id}_${i}_${randomBytes(4).toString('hex')}`,
              })),
            },
          },
          key,
        ),
      ),
    },
    {
      name: 'variables of a megabyte, with a key',
      requests: [
        post(
          {
            query: STORE,
            variables: { input: Object.fromEntries(Array.from({ length: 80_000 }, (_, n) => [`u${n}`, 1])) },
          },
          key,
        ),
      ],
    },
    {
      name: 'many root fields',
      requests: [
        post(
          {
            query: `{ ${times(490, (n) => `a${n}: usage(period: MONTH) { apiCalls byEndpoint { endpoint calls } }`)} }`,
          },
          key,
        ),
      ],
    },
  ];
}

const STORE = 'mutation ($input: StoreMemoryInput!) { storeMemory(input: $input) { id } }';
const STORE_LARGE = 'mutation ($input: StoreMemoryInput!) { storeMemory(input: $input) { id content } }';
const RECORD = 'mutation ($events: [UsageEventInput!]!) { recordUsage(events: $events) { status } }';

/** Gives a tenant as much as makes its requests expensive. */
export async function storeMuch(models: Models, tenant: BusyTenant, progress: Progress): Promise<void> {
  await storeHistory(models, [tenant.id], HISTORY_DAYS, progress);
  const endpoints = Object.fromEntries(
    Array.from({ length: ENDPOINTS_A_DAY }, (_, n) => [
      `endpoints.${encodeEndpoint(`an endpoint with a long name, number ${n}`)}`,
      3,
    ]),
  );
  await models.usageDays.collection.updateMany({ _id: { $regex: `^${tenant.id}:` } } as never, {
    $set: endpoints,
  });
  const embedding = packEmbedding(Array.from({ length: DIMENSIONS }, (_, n) => Math.sin(n)));
  const memory = (n: number, content: string, vector: Buffer | null) => ({
    _id: `${tenant.id}:mem_${(n + 16).toString(16).padStart(24, '0')}`,
    tenantId: tenant.id,
    content,
    embedding: vector,
    metadata: null,
    bytes: content.length,
    sharedAt: null,
    createdAt: new Date(),
  });
  const large = Array.from({ length: LARGE_MEMORIES }, (_, n) => memory(n, 'y'.repeat(MEGABYTE), null));
  const embedded = Array.from({ length: EMBEDDINGS }, (_, n) =>
    memory(LARGE_MEMORIES + n, `${n}`, embedding),
  );
  await models.memories.collection.insertMany([...large, ...embedded] as never[]);
  await models.ledgers.collection.updateOne(
    { _id: tenant.id } as never,
    {
      $set: {
        levels: {
          memories: LARGE_MEMORIES + EMBEDDINGS,
          embeddings: EMBEDDINGS,
          bytes: LARGE_MEMORIES * MEGABYTE,
        },
        dimensions: DIMENSIONS,
      },
    },
    { upsert: true },
  );
}
