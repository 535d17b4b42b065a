import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mongo } from 'mongoose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readManifest, verifyFiles } from '../../src/cli/backup/backupFiles.js';
import { restoreBackup } from '../../src/cli/backup/restoreBackup.js';
import { createPaceWarning, historyWindowMs } from '../../src/cli/backup/snapshotHistory.js';
import { takeBackup } from '../../src/cli/backup/takeBackup.js';
import { beginRestore, needRestored } from '../../src/databaseRestore.js';
import { connectTestDatabase, type TestDatabase } from '../support/database.js';

const { Binary, Decimal128, Double, Int32, Long, ObjectId, Timestamp } = mongo.BSON;
const EXACT = { promoteValues: false, promoteLongs: false } as const;

const VALUES = {
  double: new Double(3),
  int: new Int32(3),
  long: Long.fromString('9007199254740993'),
  decimal: Decimal128.fromString('1.10'),
  binary: new Binary(Buffer.from('secret')),
  id: new ObjectId('0123456789abcdef01234567'),
  at: new Date('2026-11-28T04:00:00.123Z'),
  clock: new Timestamp({ t: 1, i: 2 }),
  text: 'ä – 😀',
  nothing: null,
  list: [1, [], {}],
};

let source: TestDatabase;
let target: TestDatabase;
let parent: string;
let directory: string;

beforeAll(async () => {
  source = await connectTestDatabase();
  const things = source.connection.collection('things');
  await things.insertMany([VALUES, ...Array.from({ length: 2_500 }, (_, n) => ({ n, text: 'x'.repeat(n) }))]);
  await things.createIndex({ n: 1 }, { name: 'n', unique: true, partialFilterExpression: { n: { $gt: 5 } } });
  await things.createIndex({ at: 1 }, { name: 'expiry', expireAfterSeconds: 86_400 * 3_650 });
  await things.createIndex({ text: 'text' }, { name: 'words', default_language: 'none' });
  await source.connection.createCollection('names', { collation: { locale: 'de', strength: 1 } });
  await source.connection.collection<{ _id: string }>('settings').insertOne({ _id: 'a' });
});
beforeEach(async () => {
  target = await connectTestDatabase();
  parent = await mkdtemp(join(tmpdir(), 'continuum-backup-'));
  directory = join(parent, 'backup');
});
afterEach(async () => {
  await target.dropAndClose();
  await rm(parent, { recursive: true, force: true });
});
afterAll(() => source.dropAndClose());

const backup = () => takeBackup(source.connection, directory);
const restore = async (replace = false) => {
  const manifest = await readManifest(directory);
  await verifyFiles(directory, manifest);
  await restoreBackup(target.connection, { directory, manifest }, { replace });
};
const contentOf = async ({ connection }: TestDatabase, name: string) => ({
  documents: await connection.collection(name).find({}, EXACT).sort({ _id: 1 }).toArray(),
  indexes: await connection.collection(name).listIndexes().toArray(),
});

describe('a restored database', () => {
  it('has the same documents, to the type, the same indexes and the same collections', async () => {
    await backup();
    await restore();
    for (const name of ['things', 'names', 'settings'])
      expect(await contentOf(target, name)).toEqual(await contentOf(source, name));
    expect(await target.connection.collection('names').options()).toMatchObject({
      collation: { locale: 'de' },
    });
    await needRestored(target.connection);
  });

  it('looks up at Stripe what waited to be reported when the backup was made', async () => {
    const reports = source.connection.collection<{ _id: string }>('usage_reports');
    const sentAt = new Date('2026-11-01T00:00:00Z');
    await reports.insertMany([
      { _id: 'waiting', status: 'PENDING', firstSentAt: null },
      { _id: 'sent', status: 'PENDING', firstSentAt: sentAt },
    ] as never[]);
    const { takenAt } = await backup();
    await reports.deleteMany({});
    await restore();
    expect(
      await target.connection.collection('usage_reports').find().sort({ _id: 1 }).toArray(),
    ).toMatchObject([
      { _id: 'sent', firstSentAt: sentAt },
      { _id: 'waiting', firstSentAt: new Date(takenAt) },
    ]);
  });

  it('has none of the servers that ran, so that it can be restored again at once', async () => {
    const servers = source.connection.collection<{ _id: string }>('server_instances');
    await servers.insertOne({ _id: 'running', seenAt: new Date() } as never);
    await backup();
    await restore();
    expect(await target.connection.collection('server_instances').countDocuments()).toBe(0);
    await restore(true);
    await servers.deleteMany({});
  });

  it('has nothing that was written after the backup began', async () => {
    const late = { _id: 'late' };
    const settings = source.connection.collection<{ _id: string }>('settings');
    const { takenAt } = await takeBackup(source.connection, directory, ({ collection }) => {
      if (collection === 'names') void settings.insertOne(late);
    });
    expect(Math.abs(Date.parse(takenAt) - Date.now())).toBeLessThan(60_000);
    await restore();
    expect(await target.connection.collection('settings').countDocuments()).toBe(1);
    await settings.deleteOne(late);
  });
});

describe('a backup', () => {
  it('can be read by its owner only', async () => {
    await backup();
    const files = await readdir(directory);
    for (const file of ['.', ...files]) expect((await stat(join(directory, file))).mode & 0o077).toBe(0);
  });

  it('that will take longer than MongoDB keeps the past says so once, while it runs', async () => {
    const windowMs = await historyWindowMs(source.connection);
    expect(windowMs).toBe(300_000);
    const said: string[] = [];
    let nowMs = 0;
    const checkPace = createPaceWarning(
      windowMs,
      (text) => said.push(text),
      () => nowMs,
    );
    checkPace(1, 10_000);
    nowMs = 20_000;
    checkPace(1_000, 10_000);
    expect(said).toEqual([]);
    checkPace(500, 10_000);
    checkPace(501, 10_000);
    expect(said).toEqual([
      expect.stringMatching(/about 7 minutes, .* for 5: .* minSnapshotHistoryWindowInSeconds: 600 /),
    ]);
  });

  it('that fails leaves nothing', async () => {
    await expect(
      takeBackup(source.connection, directory, () => {
        throw new Error('the disk is full');
      }),
    ).rejects.toThrow('the disk is full');
    expect(await readdir(parent)).toEqual([]);
  });
});

describe('a backup is rejected, and nothing is written, when', () => {
  const DAMAGES: { name: string; damage: () => Promise<void>; error: RegExp }[] = [
    {
      name: 'a file is shorter',
      damage: async () => truncate(join(directory, 'things.bson.gz'), 1_000),
      error: /things\.bson\.gz is damaged/,
    },
    {
      name: 'a file is longer',
      damage: () => appendFile(join(directory, 'settings.bson.gz'), 'x'),
      error: /settings\.bson\.gz is damaged/,
    },
    {
      name: 'a file is missing',
      damage: () => rm(join(directory, 'names.bson.gz')),
      error: /names\.bson\.gz cannot be read/,
    },
    {
      name: 'the manifest is missing',
      damage: () => rm(join(directory, 'manifest.json')),
      error: /not a complete backup/,
    },
    {
      name: 'the manifest was changed',
      damage: () => changeManifest((text) => text.replace('"documents": 2501', '"documents": 2500')),
      error: /manifest\.json is damaged/,
    },
    {
      name: 'the manifest names a file elsewhere',
      damage: () => changeManifest((text) => text.replace('"names.bson.gz"', '"../names.bson.gz"')),
      error: /manifest\.json is damaged/,
    },
    {
      name: 'it was made by a later version',
      damage: () => changeManifest((text) => text.replace('"format": 1', '"format": 2')),
      error: /made by a later version/,
    },
  ];

  async function changeManifest(change: (text: string) => string): Promise<void> {
    const path = join(directory, 'manifest.json');
    const text = await readFile(path, 'utf8');
    expect(change(text)).not.toBe(text);
    await writeFile(path, change(text));
  }

  it.each(DAMAGES)('$name', async ({ damage, error }) => {
    await backup();
    await damage();
    await expect(restore()).rejects.toThrow(error);
    expect(await target.connection.listCollections()).toEqual([]);
  });

  it('the database is not empty, unless it may be replaced', async () => {
    await backup();
    await target.connection.collection('other').insertOne({ a: 1 });
    await expect(restore()).rejects.toThrow('is not empty (other has documents)');
    expect(await target.connection.collection('things').countDocuments()).toBe(0);
    await restore(true);
    expect(await target.connection.collection('other').countDocuments()).toBe(0);
    expect(await contentOf(target, 'things')).toEqual(await contentOf(source, 'things'));
  });

  it('a server runs on the database', async () => {
    await backup();
    await target.connection.collection('server_instances').insertOne({ seenAt: new Date() });
    await expect(restore(true)).rejects.toThrow('Stop it first');
  });
});

it('a restore that was cut off stops servers from starting, and can be run again', async () => {
  await backup();
  await beginRestore(target.connection);
  await target.connection.collection('things').insertOne({ n: 9 });
  await expect(needRestored(target.connection)).rejects.toThrow('run npx continuum-billing restore again');
  await restore();
  await needRestored(target.connection);
  expect(await contentOf(target, 'things')).toEqual(await contentOf(source, 'things'));
});
