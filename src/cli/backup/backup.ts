import { join } from 'node:path';
import { readDatabaseConfig } from '../../config/config.js';
import { needRestored } from '../../databaseRestore.js';
import { silentLog } from '../../log.js';
import type { Output, Result } from '../output.js';
import { withDatabase } from '../services.js';
import { createPaceWarning, historyWindowMs } from './snapshotHistory.js';
import { takeBackup } from './takeBackup.js';

/** Sorts by time, and is a name on every file system. */
const nameOf = (now: number): string =>
  `continuum-${new Date(now).toISOString().slice(0, 19).replaceAll(':', '-')}Z`;

/** Writes the database as it is now into a new directory in `parent`. */
export async function backup({ env, note, progress }: Output, parent: string): Promise<Result> {
  const database = { ...readDatabaseConfig(env), log: silentLog(null), note };
  return withDatabase(database, async (connection, clock) => {
    await needRestored(connection);
    const directory = join(parent, nameOf(clock.now()));
    const checkPace = createPaceWarning(await historyWindowMs(connection), note);
    const { takenAt, collections } = await takeBackup(
      connection,
      directory,
      ({ collection, documents, total }) => {
        checkPace(documents, total);
        progress(documents / Math.max(total, 1), `${collection}: ${documents} of about ${total} documents`);
      },
    );
    const documents = collections.reduce((sum, collection) => sum + collection.documents, 0);
    note(`${documents} documents of ${collections.length} collections, as they were at ${takenAt}`);
    return { json: { directory, takenAt, collections: collections.length, documents }, text: directory };
  });
}
