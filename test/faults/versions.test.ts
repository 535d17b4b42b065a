import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';
import {
  createLoadedTenants,
  createMeteredLoad,
  FAULTS_OPERATOR,
  farAway,
  type MeteredLoad,
} from '../support/meteredLoad.js';
import { createRandom, seedOfRun } from '../support/random.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';
import { catalogueFile } from '../support/teamCatalogue.js';

const CLIENTS = 16;
const TENANTS = 12;
/** A built checkout of an earlier version; without one, this version stands in for it. */
const { EARLIER_CHECKOUT } = process.env;
const STAND_IN = '0.0.9';
const PRELOADED = pathToFileURL('test/support/earlierVersion.mjs').href;

const random = createRandom(seedOfRun());
const seed = `SEED=${random.seed}`;
let database: TestDatabase;
let catalogue: string;
let load: MeteredLoad;
/** Those that get the load. */
const servers: ServerProcess[] = [];

const env = () => ({
  MONGODB_URI: database.uri,
  HOST: '127.0.0.1',
  STRIPE_MOCK_MODE: 'true',
  ADMIN_API_KEY: FAULTS_OPERATOR,
  LOG_LEVEL: 'warn',
});
const spawnEarlier = () =>
  EARLIER_CHECKOUT
    ? spawnServer(env(), EARLIER_CHECKOUT)
    : spawnServer({
        ...env(),
        EARLIER_VERSION: STAND_IN,
        NODE_OPTIONS: `--import=${PRELOADED}`,
      });

const spawnLater = () => spawnServer({ ...env(), CATALOG_FILE: catalogue });

beforeAll(async () => {
  console.log(`the earlier version: ${EARLIER_CHECKOUT ?? 'a stand-in'}`);
  [database] = await Promise.all([connectTestDatabase(), buildServer()]);
  catalogue = await laterCatalogue();
  servers.push(await spawnEarlier());
  const limits = Array.from({ length: TENANTS }, (_, i) => ({
    ...farAway,
    keyed: i % 2 === 0,
    ...(i % 3 === 0 && { callLimit: random.between(100, 3_000) }),
  }));
  load = createMeteredLoad(await createLoadedTenants(servers[0] as ServerProcess, limits), random);
}, 120_000);
afterAll(async () => {
  for (const server of servers) await server.end('SIGKILL').catch(() => undefined);
  await database?.dropAndClose();
});

/** That of the later version: the same tiers with a setting more. */
async function laterCatalogue(): Promise<string> {
  const { tiers, ...rest } = JSON.parse(await readFile('catalogue.json', 'utf8'));
  return catalogueFile({
    ...rest,
    tiers: tiers.map((tier: object) => ({ ...tier, settings: { retentionDays: 30 } })),
  });
}

const answeredCalls = () => load.tenants.reduce((sum, { calls }) => sum + calls, 0);

async function expectServed(context: string): Promise<void> {
  const before = answeredCalls();
  await expect.poll(answeredCalls, { message: `${seed}: ${context}` }).toBeGreaterThan(before + CLIENTS);
  for (const { url } of servers)
    expect((await fetch(`${url}/health/ready`)).status, `${seed}: ${context}`).toBe(200);
}

async function stopFirst(): Promise<void> {
  expect(await servers.shift()?.end('SIGTERM')).toBe(0);
}

/** What a later version may add to any document: fields, also among those that are counted. */
async function writeAsLater(): Promise<void> {
  const { connection } = database;
  for (const { name } of (await connection.db?.listCollections({ type: 'collection' }).toArray()) ?? []) {
    if (name.startsWith('system.')) continue;
    await connection.collection(name).updateMany({}, { $set: { later: { nested: [1, 'two'] } } });
  }
  const counted = { 'windows.later': { at: 1, used: 3 }, 'today.later': { some: 5 }, 'levels.later': 7 };
  await connection.collection('ledgers').updateMany({ windows: { $exists: true } }, { $set: counted });
}

/** What documents of an earlier version do not have. */
async function writeAsEarlier(): Promise<void> {
  const { connection } = database;
  const tenants = {
    searchTerms: 1,
    'contract.reason': 1,
    'contract.author': 1,
    'contract.setAt': 1,
  } as const;
  await connection.collection('tenants').updateMany({}, { $unset: tenants });
  await connection.collection('settings').updateMany({}, { $unset: { whole: 1 } });
  await connection.collection('ledgers').updateMany({}, { $unset: { dimensions: 1 } });
}

async function runningVersions(): Promise<string[]> {
  const { body } = await (servers.at(-1) as ServerProcess).gql(
    '{ serverInstances { version } }',
    FAULTS_OPERATOR,
  );
  return body.data.serverInstances.map(({ version }: { version: string }) => version).toSorted();
}

it(`two versions on one database under load, forward and back: no limit is passed, nothing is lost (${seed})`, async () => {
  const running = load.run(servers, CLIENTS);
  await expectServed('the earlier version alone');
  await writeAsEarlier();
  servers.push(await spawnLater());
  await expectServed('the later version joins');
  const { version } = JSON.parse(await readFile('package.json', 'utf8'));
  if (!EARLIER_CHECKOUT) expect(await runningVersions()).toEqual([STAND_IN, version]);
  await writeAsLater();
  await expectServed('both, with what a later version writes');
  await stopFirst();
  await expectServed('the later version alone');
  servers.push(await spawnEarlier());
  await expectServed('back: the earlier version joins');
  await writeAsEarlier();
  await expectServed('both again');
  await stopFirst();
  await expectServed('the earlier version alone again');
  await running.stop();
  await load.check(database.connection, `${seed}, two versions`);
  servers.push(await spawnLater());
  await load.askAgain(servers);
  await load.check(database.connection, `${seed}, two versions, asked again`);
}, 120_000);
