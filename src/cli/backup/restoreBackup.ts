import { join } from 'node:path';
import { type Connection, mongo } from 'mongoose';
import { beginRestore, endRestore, isBeingRestored, RESTORE_MARK } from '../../databaseRestore.js';
import { UsageReportStatus } from '../../models/usageReport.js';
import { type BackedUpCollection, type Manifest, RUNNING_SERVERS, readDocuments } from './backupFiles.js';

const { deserialize, EJSON } = mongo.BSON;
/** Every type stays what it is: an integer does not become a double, nor a binary a buffer. */
const EXACT = { promoteValues: false, promoteLongs: false, promoteBuffers: false, bsonRegExp: true } as const;
const BATCH_DOCUMENTS = 1_000;
const BATCH_BYTES = 8 * 1024 * 1024;
const NAMESPACE_EXISTS = 48;
/** Longer than the pause between two heartbeats of a server. */
const ALIVE_MS = 15_000;

export interface RestoreProgress {
  collection: string;
  documents: number;
  total: number;
}

/**
 * Writes a backup, whose files are verified, into a database. Until it is complete, no server starts on the database.
 * @param options.replace whether what the database contains is deleted first
 * @throws Error if the database contains something else, or a server runs on it; nothing is changed then
 */
export async function restoreBackup(
  connection: Connection,
  { directory, manifest }: { directory: string; manifest: Manifest },
  {
    replace,
    onProgress = () => undefined,
  }: { replace: boolean; onProgress?: (progress: RestoreProgress) => void },
): Promise<void> {
  const db = connection.db as mongo.Db;
  await needNoServer(db);
  // What an earlier restore has left is not worth a question.
  if (!replace && !(await isBeingRestored(connection))) await needEmpty(db);
  await beginRestore(connection);
  await empty(db);
  const total = manifest.collections.reduce((sum, { documents }) => sum + documents, 0);
  let written = 0;
  for (const collection of manifest.collections) {
    const { name } = collection;
    await create(db, collection);
    const before = written;
    for await (const batch of batchesOf(join(directory, collection.file))) {
      const { insertedCount } = await db.collection(name).insertMany(batch, { ordered: false });
      written += insertedCount;
      onProgress({ collection: name, documents: written, total });
    }
    if (written - before !== collection.documents)
      throw new Error(`${name} got ${written - before} documents instead of ${collection.documents}`);
    await index(db, collection);
  }
  await distrustPendingReports(db, new Date(manifest.takenAt));
  await endRestore(connection);
}

/**
 * Usage reports that waited when the backup was made may have been sent since, and Stripe forgets their ids after a day: as if
 * they were sent then, they are looked up in its meters before they are sent again.
 */
async function distrustPendingReports(db: mongo.Db, takenAt: Date): Promise<void> {
  await db
    .collection('usage_reports')
    .updateMany({ status: UsageReportStatus.PENDING, firstSentAt: null }, { $set: { firstSentAt: takenAt } });
}

async function collectionNames(db: mongo.Db): Promise<string[]> {
  const listed = await db.listCollections({ type: 'collection' }, { nameOnly: true }).toArray();
  return listed.map(({ name }) => name).filter((name) => !name.startsWith('system.'));
}

async function needNoServer(db: mongo.Db): Promise<void> {
  const recent = { $expr: { $gt: ['$seenAt', { $subtract: ['$$NOW', ALIVE_MS] }] } };
  if (await db.collection(RUNNING_SERVERS).findOne(recent))
    throw new Error('A server is running on the database, or was a moment ago. Stop it first');
}

/** Collections without documents may exist: they can be sharded before a restore. */
async function needEmpty(db: mongo.Db): Promise<void> {
  for (const name of await collectionNames(db)) {
    if (await db.collection(name).findOne({}, { projection: { _id: 1 } }))
      throw new Error(
        `The database ${db.databaseName} is not empty (${name} has documents). Restore into another database, or pass ` +
          '--replace to delete what it contains',
      );
  }
}

async function empty(db: mongo.Db): Promise<void> {
  for (const name of await collectionNames(db)) {
    if (name === 'settings')
      await db.collection(name).deleteMany({ _id: { $ne: RESTORE_MARK._id as never } });
    else if (await db.collection(name).findOne({}, { projection: { _id: 1 } })) await db.dropCollection(name);
  }
}

async function create(db: mongo.Db, { name, options }: BackedUpCollection): Promise<void> {
  try {
    await db.createCollection(name, EJSON.deserialize(options) as mongo.CreateCollectionOptions);
  } catch (error) {
    if ((error as mongo.MongoServerError).code !== NAMESPACE_EXISTS) throw error;
  }
}

/** After the documents, which is faster than with each of them. */
async function index(db: mongo.Db, { name, indexes }: BackedUpCollection): Promise<void> {
  if (indexes.length === 0) return;
  await db.command({
    createIndexes: name,
    indexes: indexes.map((spec) => EJSON.deserialize(spec)),
    writeConcern: { w: 'majority' },
  });
}

async function* batchesOf(path: string): AsyncIterable<mongo.Document[]> {
  let batch: mongo.Document[] = [];
  let bytes = 0;
  for await (const document of readDocuments(path)) {
    batch.push(deserialize(document, EXACT));
    bytes += document.length;
    if (batch.length < BATCH_DOCUMENTS && bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
