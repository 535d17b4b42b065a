/**
 * A MongoDB of your process's own: found or downloaded, then started on a data directory.
 */
import { type FindMongodOptions, findMongod } from './binary.js';
import { filesIn, prepareDirectory } from './dataDirectory.js';
import { ownerState, readOwner } from './owner.js';
import { type Mongod, startMongod } from './process.js';
import { memberUri } from './replicaSet.js';

export { type FindMongodOptions, findMongod } from './binary.js';
export { UnusableDirectory } from './dataDirectory.js';
export { type Mongod, type MongodExit, type MongodOptions, startMongod } from './process.js';
export { userCacheDir } from './programs/cache.js';
export type { Log } from './programs/source.js';

export interface EmbeddedMongodOptions extends FindMongodOptions {
  /** Kept between starts. It contains everything: data, log, port. */
  dataDir: string;
  /** The database that the returned connection string names. */
  database: string;
}

/**
 * @returns the running MongoDB, with a connection string that names the database
 * @throws UnusableDirectory; another error for a person to read: no mongod was found, or it did not start
 */
export async function startEmbeddedMongod(options: EmbeddedMongodOptions): Promise<Mongod> {
  const { dataDir, database, log } = options;
  // First, because finding the binary may take a download.
  await prepareDirectory(dataDir);
  const mongod = await startMongod({ binary: await findMongod(options), dataDir, log });
  return { ...mongod, uri: withDatabase(mongod.uri, database) };
}

/** @returns the connection string of the MongoDB that another process runs on the directory; null when none runs */
export async function runningMongod(dataDir: string, database: string): Promise<string | null> {
  const files = filesIn(dataDir);
  const state = await ownerState(await readOwner(files.owner), files.data);
  return state.kind === 'live' ? withDatabase(memberUri(state.owner.port), database) : null;
}

/** @returns the connection string with its database name set */
export function withDatabase(uri: string, database: string): string {
  const [, start, query = ''] = /^([a-z+]+:\/\/[^/?]+)(?:\/[^?]*)?(\?.*)?$/.exec(uri) ?? [];
  if (start === undefined) throw new Error('not a MongoDB connection string');
  return `${start}/${database}${query}`;
}
