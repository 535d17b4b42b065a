import { remoteLimits } from '@continuum-billing/limits';
import type { Limits } from '@continuum-billing/limits/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import catalogue from '../../catalogue.json' with { type: 'json' };
import { directLimits } from '../../src/directLimits.js';
import { startTestServer, type TestServer, type TestTenant } from '../support/server.js';
import { catalogueFile } from '../support/teamCatalogue.js';
import { startApollo, type TeamServer, teamSchema } from '../support/teamServer.js';

/** FREE has no limit at all, PRO none but a day's calls and its lamps. */
const UNLIMITED = {
  apiCallsPerDay: null,
  apiCallsPerMinute: null,
  concurrentRequests: null,
  maxMemories: null,
  maxEmbeddings: null,
  maxStorageBytes: null,
  maxExtractionBatchSize: null,
  federationPriority: 1,
  stored: { lamps: null },
};
const DAY = 8;
const LAMPS = 3;
const [free, pro, ...rest] = catalogue.tiers;
const written = {
  ...catalogue,
  resources: ['lamps'],
  tiers: [
    { ...free, limits: UNLIMITED },
    { ...pro, limits: { ...UNLIMITED, apiCallsPerDay: DAY, stored: { lamps: LAMPS } } },
    ...rest.map((tier) => ({ ...tier, limits: { ...tier.limits, stored: { lamps: null } } })),
  ],
};

let billing: TestServer;
let serviceKey: string;

beforeAll(async () => {
  billing = await startTestServer({ env: { CATALOG_FILE: catalogueFile(written) } });
  const { data } = await billing.gql(
    'mutation { createApiKey(input: { name: "lamps", scopes: [ENFORCE] }) { secret } }',
  );
  serviceKey = data.createApiKey.secret;
});
afterAll(() => billing?.stop());

const usageOf = async ({ key }: TestTenant) => {
  const { data } = await billing.gql(
    '{ usage { apiCalls limit remaining } storage { resources { resource stored } } }',
    { key },
  );
  return data;
};

describe.each<[string, () => Limits | Promise<Limits>]>([
  [
    'directly',
    () =>
      directLimits({ mongodbUri: billing.uri, catalogue: written, upgradeUrl: 'http://localhost/upgrade' }),
  ],
  ['by asking the billing server', () => remoteLimits({ url: billing.url, serviceKey, whenAway: 'refuse' })],
])('unlimited limits that are decided %s', (_, connect) => {
  let limits: Limits;
  let team: TeamServer;
  beforeAll(async () => {
    limits = await connect();
    team = await startApollo(teamSchema(limits));
  });
  afterAll(async () => {
    await team?.stop();
    await limits?.close();
  });

  it('let everything through, and count it', async () => {
    const tenant = await billing.createTenant();
    const lamps = Array.from({ length: 400 }, (_, i) => `{ name: "${i}" }`).join();
    const answers = await Promise.all([
      ...Array.from({ length: 120 }, () => team.ask('{ lamp }', tenant.key)),
      team.ask(`mutation { keepAll(lamps: [${lamps}]) }`, tenant.key),
    ]);
    expect(answers.flatMap(({ errors }) => errors)).toEqual([]);
    await expect
      .poll(() => usageOf(tenant))
      .toEqual({
        usage: { apiCalls: 120, limit: null, remaining: null },
        storage: { resources: [{ resource: 'lamps', stored: 400 }] },
      });
    const headers = answers[0]?.headers;
    expect(headers?.get('x-tier')).toBe('free');
    expect([...(headers?.keys() ?? [])].filter((name) => /ratelimit/i.test(name))).toEqual([]);
  });

  it('do not loosen the limits beside them', async () => {
    const tenant = await billing.createTenant();
    await billing.setLimits(tenant.id, {}, 'PRO');
    const answers = await Promise.all(
      Array.from({ length: 3 * DAY }, () => team.ask('{ lamp }', tenant.key)),
    );
    const [through, rejected] = [200, 429].map((code) => answers.filter(({ status }) => status === code));
    expect([through?.length, rejected?.length]).toEqual([DAY, 2 * DAY]);
    expect(rejected?.[0]?.errors[0]?.extensions).toMatchObject({ limit: DAY, window: 'day', tier: 'PRO' });
    const keep = (count: number) =>
      team.ask(`mutation { keepAll(lamps: [${Array(count).fill('{ name: "" }').join()}]) }`, tenant.key);
    expect((await keep(LAMPS + 1)).status).toBe(507);
    expect((await keep(LAMPS)).errors).toEqual([]);
  });
});
