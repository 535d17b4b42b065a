import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Connection, mongo } from 'mongoose';
import { VERSION } from '../../config/config.js';
import {
  type BackedUpCollection,
  type Manifest,
  RUNNING_SERVERS,
  writeDocuments,
  writeManifest,
} from './backupFiles.js';
import { keepHistoryCommand } from './snapshotHistory.js';

/** The codes with which MongoDB rejects a moment that is older than the history it keeps (`minSnapshotHistoryWindowInSeconds`). */
const SNAPSHOT_GONE = new Set([239, 246]);
const OWNER_ONLY = 0o700;
const BATCH_DOCUMENTS = 1_000;
const { EJSON } = mongo.BSON;

export interface BackupProgress {
  collection: string;
  documents: number;
  /** Of all collections; an estimate. */
  total: number;
}

/**
 * Writes all collections as they were at one moment, which MongoDB keeps for it while servers go on writing.
 * @param directory does not exist yet; it appears when the backup is complete
 */
export async function takeBackup(
  connection: Connection,
  directory: string,
  onProgress: (progress: BackupProgress) => void = () => undefined,
): Promise<Manifest> {
  const incomplete = join(dirname(directory), `.${basename(directory)}.incomplete`);
  await mkdir(dirname(directory), { recursive: true, mode: OWNER_ONLY });
  // Fails if it exists: another backup may be writing it.
  await mkdir(incomplete, { mode: OWNER_ONLY });
  try {
    const manifest = await writeCollections(connection, incomplete, onProgress);
    await writeManifest(incomplete, manifest);
    await rename(incomplete, directory);
    return manifest;
  } catch (error) {
    await rm(incomplete, { recursive: true, force: true });
    const { code, message } = error as mongo.MongoServerError;
    if (!SNAPSHOT_GONE.has(code as number)) throw error;
    throw new Error(
      `MongoDB no longer has the data as it was when the backup began (${message}). Try again; if it happens again, let ` +
        `MongoDB keep the past for longer: ${keepHistoryCommand(1_800)}`,
      { cause: error },
    );
  }
}

async function writeCollections(
  connection: Connection,
  directory: string,
  onProgress: (progress: BackupProgress) => void,
): Promise<Manifest> {
  const db = connection.db as mongo.Db;
  const found = await describeCollections(db);
  const estimates = await Promise.all(found.map(({ name }) => db.collection(name).estimatedDocumentCount()));
  const total = estimates.reduce((sum, count) => sum + count, 0);
  const session = connection.getClient().startSession({ snapshot: true });
  let documents = 0;
  async function* documentsOf(name: string): AsyncIterable<Uint8Array> {
    if (name === RUNNING_SERVERS) return;
    const cursor = db.collection(name).find({}, { session, raw: true, batchSize: BATCH_DOCUMENTS });
    // With `raw` the driver yields BSON, which its types do not say.
    for await (const document of cursor as unknown as AsyncIterable<Uint8Array>) {
      yield document;
      documents++;
      if (documents % BATCH_DOCUMENTS === 0) onProgress({ collection: name, documents, total });
    }
  }
  try {
    // The first read chooses the moment, before anything takes time.
    await db.collection('settings').findOne({}, { session });
    const collections: BackedUpCollection[] = [];
    for (const described of found) {
      const { name, file } = described;
      collections.push({ ...described, ...(await writeDocuments(join(directory, file), documentsOf(name))) });
      onProgress({ collection: name, documents, total: Math.max(total, documents) });
    }
    return { version: VERSION, takenAt: momentOf(session), collections };
  } finally {
    await session.endSession();
  }
}

/** The driver keeps the moment of its snapshot in the session, and declares it as internal. */
function momentOf(session: mongo.ClientSession): string {
  const { snapshotTime } = session as unknown as { snapshotTime: mongo.Timestamp };
  return new Date(snapshotTime.getHighBitsUnsigned() * 1000).toISOString();
}

type Described = Pick<BackedUpCollection, 'name' | 'file' | 'options' | 'indexes'>;

async function describeCollections(db: mongo.Db): Promise<Described[]> {
  const listed = await db.listCollections({ type: 'collection' }, { nameOnly: false }).toArray();
  const names = listed.filter(({ name }) => !name.startsWith('system.'));
  const described = names.map(async ({ name, options = {} }) => {
    const indexes = (await db.collection(name).listIndexes().toArray()).filter(
      (index) => index.name !== '_id_',
    );
    // Both have few types, all of which EJSON's plain form brings back.
    const plain = EJSON.serialize({ options, indexes }) as Pick<Described, 'options' | 'indexes'>;
    return { name, file: `${name}.bson.gz`, ...plain };
  });
  return (await Promise.all(described)).sort((a, b) => (a.name < b.name ? -1 : 1));
}
