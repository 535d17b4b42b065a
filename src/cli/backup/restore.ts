import { readDatabaseConfig } from '../../config/config.js';
import { silentLog } from '../../log.js';
import type { Output, Result } from '../output.js';
import { withDatabase } from '../services.js';
import { type Manifest, readManifest, verifyFiles } from './backupFiles.js';
import { restoreBackup } from './restoreBackup.js';

interface Options {
  /** Only verify the files. */
  check?: boolean;
  /** Delete what the database contains first. */
  replace?: boolean;
}

/** Verifies a backup, and writes it into the database. */
export async function restore(
  { env, note, progress }: Output,
  directory: string,
  { check = false, replace = false }: Options,
): Promise<Result> {
  const manifest = await readManifest(directory);
  const { takenAt, collections } = manifest;
  const documents = collections.reduce((sum, collection) => sum + collection.documents, 0);
  await verify(directory, manifest, documents, progress);
  const what = `${documents} documents of ${collections.length} collections, as they were at ${takenAt}`;
  const json = { restored: !check, takenAt, collections: collections.length, documents };
  if (check) return { json, text: `The backup is complete: ${what}` };
  const onProgress = (written: number, total: number, collection: string) =>
    progress(written / Math.max(total, 1), `${collection}: ${written} of ${total} documents`);
  const database = { ...readDatabaseConfig(env), log: silentLog(null), note };
  await withDatabase(database, (connection) =>
    restoreBackup(
      connection,
      { directory, manifest },
      {
        replace,
        onProgress: (done) => onProgress(done.documents, done.total, done.collection),
      },
    ),
  );
  return {
    json,
    text: `Restored ${what}. Start the servers, then run npx continuum-billing stripe reconcile`,
  };
}

async function verify(
  directory: string,
  manifest: Manifest,
  total: number,
  progress: Output['progress'],
): Promise<void> {
  let verified = 0;
  await verifyFiles(directory, manifest, ({ name, documents }) => {
    verified += documents;
    progress(verified / Math.max(total, 1), `verified ${name}`);
  });
}
