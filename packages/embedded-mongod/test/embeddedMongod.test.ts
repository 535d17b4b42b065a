import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findMongod, type Mongod, startMongod, userCacheDir } from '@continuum-billing/embedded-mongod';
import mongoose, { mongo } from 'mongoose';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeDataDirectory } from '../../../test/support/dataDirectory.js';

const OWNER_PROGRAM = fileURLToPath(new URL('./mongodOwner.mjs', import.meta.url));

let binary: string;
let dataDir: string;
let cleanups: (() => Promise<unknown> | unknown)[];
let logged: string[];

beforeAll(async () => {
  binary = await findMongod({ cacheDir: userCacheDir('continuum-billing'), log: () => {} });
});

beforeEach(async () => {
  dataDir = await makeDataDirectory('continuum-mongod-');
  cleanups = [];
  logged = [];
});

afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  await rm(dataDir, { recursive: true, force: true });
});

async function start(): Promise<Mongod> {
  const mongod = await startMongod({ binary, dataDir, log: (message) => logged.push(message) });
  cleanups.push(async () => {
    // Not stop(): its data is thrown away anyway, and an orderly end takes a second.
    if (isAlive(mongod.pid)) process.kill(mongod.pid, 'SIGKILL');
    await mongod.exited;
  });
  return mongod;
}

/** Starts a server process in a process group of its own, as a shell does with a job. */
async function startOwner(): Promise<{ owner: ChildProcess; group: number; uri: string; pid: number }> {
  const owner = spawn(process.execPath, [OWNER_PROGRAM, binary, dataDir], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (!owner.stdout || !owner.pid) throw new Error('the server process did not start');
  const failed = once(owner, 'exit').then(([code]) => {
    throw new Error(`the server process ended with exit code ${code}`);
  });
  // The tests themselves end it later on.
  failed.catch(() => {});
  const [line] = await Promise.race([once(createInterface(owner.stdout), 'line'), failed]);
  const { uri, pid } = JSON.parse(line);
  const group = -owner.pid;
  cleanups.push(async () => {
    if (owner.exitCode === null && owner.signalCode === null) process.kill(group, 'SIGKILL');
    await gone(pid);
  });
  return { owner, group, uri, pid };
}

async function withDatabase<T>(uri: string, work: (db: mongo.Db) => Promise<T>): Promise<T> {
  const client = await mongo.MongoClient.connect(uri);
  try {
    return await work(client.db('guarantees'));
  } finally {
    await client.close();
  }
}

/** One acknowledged write; MongoDB acknowledges in a replica set only what is in the journal. */
const write = (uri: string, note: string) =>
  withDatabase(uri, async (db) => void (await db.collection('notes').insertOne({ note })));

const notes = (uri: string) =>
  withDatabase(uri, async (db) => (await db.collection('notes').find().toArray()).map(({ note }) => note));

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<void> {
  for (const deadline = Date.now() + 15_000; isAlive(pid); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`process ${pid} is still there`);
  }
}

describe('a stopped MongoDB', () => {
  it('has kept its data and its address at the next start', async () => {
    const first = await start();
    await write(first.uri, 'kept');
    await first.stop();
    const second = await start();
    expect(await notes(second.uri)).toEqual(['kept']);
    expect(second.uri).toBe(first.uri);
  });

  it('has ended when stop() resolves, however often stop() is called', async () => {
    const mongod = await start();
    await Promise.all([mongod.stop(), mongod.stop()]);
    expect(isAlive(mongod.pid)).toBe(false);
    await mongod.stop();
    expect(await mongod.exited).toEqual({ code: 0, requested: true, problem: null });
  });

  it('moves to another port, with its data, when a program has taken its port', async () => {
    const first = await start();
    await write(first.uri, 'moved');
    await first.stop();
    const port = Number(new URL(first.uri).port);
    const squatter = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
    await once(squatter, 'listening');
    cleanups.push(() => squatter.close());

    const second = await start();
    expect(second.uri).not.toBe(first.uri);
    expect(await notes(second.uri)).toEqual(['moved']);
    expect(logged).toEqual([expect.stringContaining(`port ${port} is taken`)]);
  });
});

it('a port that another MongoDB has taken is reported by mongod itself, however late it starts', async () => {
  const other = await start();
  const slow = join(dataDir, 'slow');
  await writeFile(slow, `#!/bin/sh\nsleep 2\nexec ${binary} "$@"\n`);
  await chmod(slow, 0o755);
  const port = Number(new URL(other.uri).port);
  const late = startMongod({ binary: slow, dataDir: join(dataDir, 'late'), log: () => {}, port });
  await expect(late).rejects.toThrow(`port ${port} on 127.0.0.1 is taken`);
  expect(await notes(other.uri)).toEqual([]);
});

describe('when the server process dies', () => {
  it('by kill -9 with its whole group, MongoDB ends by itself and the next start has the data', async () => {
    const { group, uri, pid } = await startOwner();
    await write(uri, 'before the kill');
    process.kill(group, 'SIGKILL');

    // At once: the old MongoDB is still shutting down, and the start must wait for it.
    const next = await start();
    expect(isAlive(pid)).toBe(false);
    expect(await notes(next.uri)).toEqual(['before the kill']);
    expect(logged.filter((line) => !line.includes(`(pid ${pid}) to shut down`))).toEqual([]);
  });

  it('by kill -9 together with MongoDB, the next start recovers from the journal', async () => {
    const { group, uri, pid } = await startOwner();
    await write(uri, 'in the journal');
    process.kill(pid, 'SIGKILL');
    process.kill(group, 'SIGKILL');
    await gone(pid);

    const next = await start();
    expect(await notes(next.uri)).toEqual(['in the journal']);
  });

  it('of having nothing left to do, without stop(), MongoDB neither holds it nor stays behind', async () => {
    const { owner, pid } = await startOwner();
    owner.kill('SIGTERM');
    expect(await once(owner, 'exit')).toEqual([0, null]);
    await gone(pid);
  });
});

it("a terminal's Ctrl-C reaches the server, which may drain, and not MongoDB", async () => {
  const { owner, group, uri } = await startOwner();
  process.kill(group, 'SIGINT');
  await once(owner.stdout as NodeJS.ReadableStream, 'data');
  await write(uri, 'while draining');
  expect(await notes(uri)).toEqual(['while draining']);
});

it('a second server on the same data directory fails, with the directory and the pid in the error', async () => {
  const { owner, uri } = await startOwner();
  await expect(start()).rejects.toThrow(
    new RegExp(`${join(dataDir, 'mongo')} is in use by another running server \\(pid ${owner.pid},`),
  );
  await write(uri, 'undisturbed');
});

it('a server learns that MongoDB has ended by itself', async () => {
  const mongod = await start();
  process.kill(mongod.pid, 'SIGKILL');
  expect(await mongod.exited).toEqual({ code: 137, requested: false, problem: null });
  await mongod.stop();
});

it('a mongod that cannot start is reported with the end of its output', async () => {
  const broken = join(dataDir, 'broken');
  await writeFile(broken, '#!/bin/sh\necho "no space on this disk" >&2\nexit 14\n');
  await chmod(broken, 0o755);
  await expect(startMongod({ binary: broken, dataDir, log: () => {} })).rejects.toThrow(
    /exit code 14[\s\S]*mongod\.log:\n {2}no space on this disk/,
  );
});

it('makes nothing that others than its owner can read, also in a directory that others could read', async () => {
  dataDir = join(dataDir, 'new');
  await mkdir(join(dataDir, 'mongo'), { recursive: true, mode: 0o755 });
  await start();
  const modeOf = async (name: string) => ((await stat(join(dataDir, name))).mode & 0o777).toString(8);
  expect(await modeOf('mongo')).toBe('700');
  expect([await modeOf('mongod.json'), await modeOf('mongod.log')]).toEqual(['600', '600']);
  await Promise.all(cleanups.map((cleanup) => cleanup()));
  cleanups = [];
  await rm(dataDir, { recursive: true });
  await start();
  expect([await modeOf(''), await modeOf('mongo')]).toEqual(['700', '700']);
});

it('listens on 127.0.0.1 only', async () => {
  const mongod = await start();
  const socket = connect(Number(new URL(mongod.uri).port), '127.0.0.2');
  await expect(once(socket, 'connect')).rejects.toThrow('ECONNREFUSED');
});

it('serves transactions, change streams and retryable writes over its connection string', async () => {
  const mongod = await start();
  const connection = await mongoose.createConnection(mongod.uri).asPromise();
  cleanups.push(() => connection.close());
  const Account = connection.model('Account', new mongoose.Schema({ name: String, cents: Number }));
  await Account.create({ name: 'a', cents: 100 });

  const changes = Account.watch();
  cleanups.push(() => changes.close());
  const change = once(changes, 'change');
  await once(changes, 'ready');

  const lost = connection.transaction(async (session) => {
    await Account.updateOne({ name: 'a' }, { $inc: { cents: -100 } }, { session });
    throw new Error('changed my mind');
  });
  await expect(lost).rejects.toThrow('changed my mind');
  expect((await Account.findOne({ name: 'a' }))?.cents).toBe(100);

  await connection.transaction(async (session) => {
    await Account.updateOne({ name: 'a' }, { $inc: { cents: -30 } }, { session });
    await Account.create([{ name: 'b', cents: 30 }], { session });
  });
  const [event] = await change;
  expect(event).toMatchObject({
    operationType: 'update',
    updateDescription: { updatedFields: { cents: 70 } },
  });

  // A write that carries a transaction number is one that the driver may send again.
  const sent: mongo.Document[] = [];
  const client = await mongo.MongoClient.connect(mongod.uri, { monitorCommands: true });
  cleanups.push(() => client.close());
  client.on('commandStarted', ({ command }) => sent.push(command));
  await client.db('guarantees').collection('notes').insertOne({});
  expect(sent.find(({ insert }) => insert === 'notes')).toHaveProperty('txnNumber');
});
