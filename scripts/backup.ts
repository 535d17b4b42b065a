import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, readDatabaseConfig } from '../src/config/config.js';
import { needRestored } from '../src/databaseRestore.js';
import { silentLog } from '../src/log.js';
import { takeBackup } from './backup/takeBackup.js';
import { createProgress } from './support/progressBar.js';
import { printError, withDatabase } from './support/services.js';

const HELP = `Writes everything that is in the database to files, as it was at one moment. Servers may run meanwhile.

  npm run backup                      into a new directory in backups/
  npm run backup -- DIRECTORY         into a new directory in DIRECTORY
  npm run backup -- --help            print this text

The path of the new directory is printed on standard output. It contains personal data and secrets: only its owner can read
it. npm run restore -- PATH --check verifies it, without a database.

Environment: MONGODB_URI, or DATA_DIR for the embedded database. Exit code: 0 when the backup is complete; 1 otherwise, and
then there is no new directory.
`;

function read(): { help: boolean; parent: string } {
  const options = { help: { type: 'boolean', default: false } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (positionals.length > 1) throw new Error('one directory at most');
  return { help: values.help, parent: positionals[0] ?? 'backups' };
}

/** Sorts by time, and is a name on every file system. */
const newName = (now: Date): string => `continuum-${now.toISOString().slice(0, 19).replaceAll(':', '-')}Z`;

async function backup(parent: string): Promise<void> {
  const directory = join(parent, newName(new Date()));
  const progress = createProgress();
  const { takenAt, collections } = await withDatabase(
    readDatabaseConfig(),
    silentLog(null),
    async (connection) => {
      await needRestored(connection);
      return takeBackup(connection, directory, ({ collection, documents, total }) =>
        progress(documents / Math.max(total, 1), `${collection}: ${documents} of about ${total} documents`),
      );
    },
  );
  const documents = collections.reduce((sum, collection) => sum + collection.documents, 0);
  printError(`${documents} documents of ${collections.length} collections, as they were at ${takenAt}`);
  console.log(directory);
}

try {
  const { help, parent } = read();
  if (help) process.stdout.write(HELP);
  else await backup(parent);
} catch (error) {
  const { message } = error as Error;
  printError(error instanceof ConfigError ? message : `There is no backup: ${message}`);
  process.exitCode = 1;
}
