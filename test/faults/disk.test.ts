import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import mongoose from 'mongoose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { expectAway, expectReadsOnly, untilReady } from '../support/databaseAway.js';
import { type FaultyMongod, startFaultyMongod } from '../support/faultyMongod.js';
import {
  createLoadedTenants,
  createMeteredLoad,
  FAULTS_OPERATOR,
  farAway,
  type MeteredLoad,
} from '../support/meteredLoad.js';
import { createRandom, seedOfRun } from '../support/random.js';
import { buildServer, type ServerProcess, spawnServer } from '../support/serverProcess.js';
import { makeSmallDisk, type SmallDisk } from '../support/smallDisk.js';

const CLIENTS = 16;
const TENANTS = 8;
const ANSWER_MS = 5_000;
const DOCUMENT_BYTES = 100_000;
const READY_MS = 15_000;
/** What the operator reads: on a full disk, or where files have reached a limit. */
const NO_ROOM = /cannot be written \(.*(no space left on device|file too large)/i;

const random = createRandom(seedOfRun());
const seed = `SEED=${random.seed}`;
let disk: SmallDisk;
let mongod: FaultyMongod;
let connection: mongoose.Connection;
let server: ServerProcess;
let load: MeteredLoad;

beforeAll(async () => {
  [disk] = await Promise.all([makeSmallDisk(), buildServer()]);
  mongod = await startFaultyMongod(disk);
  connection = await mongod.connect();
  server = await spawnServer({
    MONGODB_URI: mongod.uri,
    HOST: '127.0.0.1',
    STRIPE_MOCK_MODE: 'true',
    ADMIN_API_KEY: FAULTS_OPERATOR,
    LOG_LEVEL: 'error',
  });
  const limits = Array.from({ length: TENANTS }, (_, i) => ({
    ...farAway,
    keyed: i % 2 === 0,
    ...(i % 4 === 3 && { callLimit: random.between(50, 500) }),
  }));
  load = createMeteredLoad(await createLoadedTenants(server, limits), random);
}, 120_000);
afterAll(async () => {
  await server?.end('SIGKILL').catch(() => undefined);
  await mongod?.remove();
  await disk?.remove();
});

const keyOfLoad = () => load.tenants[0]?.key as string;
const answeredCalls = () => load.tenants.reduce((sum, { calls }) => sum + calls, 0);

async function expectServed(context: string): Promise<void> {
  const before = answeredCalls();
  await expect.poll(answeredCalls, { message: context, timeout: READY_MS }).toBeGreaterThan(before);
}

/** mongod writes its files once a minute, and would notice only then that they cannot grow. */
async function growUntil(isOver: () => boolean, uri: string): Promise<void> {
  const own = await mongoose.createConnection(uri, { serverSelectionTimeoutMS: 500 }).asPromise();
  const client = own.getClient();
  for (const text = 'x'.repeat(DOCUMENT_BYTES); !isOver(); await sleep(100)) {
    await client.db('growth').collection('documents').insertOne({ text }).catch(ignored);
    await client.db('admin').command({ fsync: 1 }).catch(ignored);
  }
  await own.close();
}
const ignored = () => undefined;

it(`MongoDB's disk fills up under load: errors say so, nothing acknowledged is lost, and service returns with the room (${seed})`, async () => {
  const running = load.run([server], CLIENTS);
  await expectServed('before the disk is full');
  await disk.fill(mongod.pid());
  let hasEnded = false;
  void mongod.ended().then(() => {
    hasEnded = true;
  });
  await growUntil(() => hasEnded, mongod.uri);
  await untilReady(server, 503, ANSWER_MS);
  await expectAway(server, keyOfLoad(), ANSWER_MS);
  await expect(mongod.restart()).rejects.toThrow(NO_ROOM);
  await untilReady(server, 503, ANSWER_MS);

  await disk.clear();
  await mongod.restart();
  await untilReady(server, 200, READY_MS);
  await expectServed('when there is room again');
  await running.stop();
  await load.check(connection, `${seed}, the disk was full`);
  await load.askAgain([server]);
  await load.check(connection, `${seed}, the disk was full, asked again`);
}, 120_000);

it(`a MongoDB that blocks writes, as hosted ones do before the disk is full: reads are served, writes get a clear error (${seed})`, async () => {
  const blockWrites = (global: boolean) =>
    connection.db?.admin().command({ setUserWriteBlockMode: 1, global });
  const running = load.run([server], CLIENTS);
  await expectServed('before writes are blocked');
  await blockWrites(true);
  await expectReadsOnly(server, keyOfLoad(), ANSWER_MS);
  await blockWrites(false);
  await expectServed('when writes are allowed again');
  await running.stop();
  await load.check(connection, `${seed}, writes were blocked`);
  await load.askAgain([server]);
  await load.check(connection, `${seed}, writes were blocked, asked again`);
}, 60_000);

it('the embedded MongoDB: the operator reads at once that the disk is full, and the next start with room has the data', async () => {
  await server.end('SIGTERM');
  await mongod.remove();
  const directory = join(disk.directory, '..', 'embedded');
  const env = { DATA_DIR: directory, PATH: `${disk.bin}:${process.env.PATH}` };
  const first = await spawnServer(env);
  server = first;
  const [, key = ''] = /demo tenant's key\s+(ctm_test_\S+)/.exec(first.output()) ?? [];
  const stored = await first.gql('mutation { storeMemory(input: { content: "kept" }) { id } }', key);
  const { port, mongodPid } = JSON.parse(await readFile(join(directory, 'mongod.json'), 'utf8'));
  await disk.fill(mongodPid);
  const uri = `mongodb://127.0.0.1:${port}/?directConnection=true`;
  await growUntil(() => NO_ROOM.test(first.output()), uri);
  expect(await first.end('SIGTERM')).toBe(1);
  await expect(spawnServer(env)).rejects.toThrow(NO_ROOM);

  await disk.clear();
  server = await spawnServer(env);
  const { body } = await server.gql(`{ memory(id: "${stored.body.data.storeMemory.id}") { content } }`, key);
  expect(body.data.memory.content).toBe('kept');
  expect(await server.end('SIGTERM')).toBe(0);
}, 120_000);
