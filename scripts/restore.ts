import { parseArgs } from 'node:util';
import { ConfigError, readDatabaseConfig } from '../src/config/config.js';
import { silentLog } from '../src/log.js';
import { type Manifest, readManifest, verifyFiles } from './backup/backupFiles.js';
import { restoreBackup } from './backup/restoreBackup.js';
import { createProgress } from './support/progressBar.js';
import { printError, withDatabase } from './support/services.js';

const HELP = `Writes a backup of npm run backup into an empty database.

  npm run restore -- PATH              verify the files, then write them into the database
  npm run restore -- PATH --check      only verify the files; needs no database
  npm run restore -- PATH --replace    delete what the database contains first
  npm run restore -- --help            print this text

No server may run on the database. A restore that was cut off leaves a database on which no server starts: run it again.
Afterwards start the servers, and run npm run reconcile: it brings what has happened at Stripe since.

Environment: MONGODB_URI, or DATA_DIR for the embedded database. Exit code: 0 when everything is restored; 1 otherwise.
`;

interface Options {
  help: boolean;
  path: string | undefined;
  check: boolean;
  replace: boolean;
}

function read(): Options {
  const flag = { type: 'boolean', default: false } as const;
  const options = { help: flag, check: flag, replace: flag };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [path] = positionals;
  if (!values.help && positionals.length !== 1) throw new Error('name the directory of one backup');
  return { ...values, path };
}

async function restore(directory: string, { check, replace }: Options): Promise<void> {
  const manifest = await readManifest(directory);
  const documents = manifest.collections.reduce((sum, collection) => sum + collection.documents, 0);
  await verify(directory, manifest, documents);
  const what = `${documents} documents of ${manifest.collections.length} collections, as they were at ${manifest.takenAt}`;
  if (check) {
    console.log(`The backup is complete: ${what}`);
    return;
  }
  const progress = createProgress();
  await withDatabase(readDatabaseConfig(), silentLog(null), (connection) =>
    restoreBackup(
      connection,
      { directory, manifest },
      {
        replace,
        onProgress: ({ collection, documents: written, total }) =>
          progress(written / Math.max(total, 1), `${collection}: ${written} of ${total} documents`),
      },
    ),
  );
  console.log(`Restored ${what}. Start the servers, then run npm run reconcile`);
}

async function verify(directory: string, manifest: Manifest, total: number): Promise<void> {
  const progress = createProgress();
  let verified = 0;
  await verifyFiles(directory, manifest, ({ name, documents }) => {
    verified += documents;
    progress(verified / Math.max(total, 1), `verified ${name}`);
  });
}

try {
  const options = read();
  if (options.help || !options.path) process.stdout.write(HELP);
  else await restore(options.path, options);
} catch (error) {
  const { message } = error as Error;
  printError(error instanceof ConfigError ? message : `Nothing usable was restored: ${message}`);
  process.exitCode = 1;
}
