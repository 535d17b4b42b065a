/**
 * The server's use of the embedded MongoDB, for first starts, development and tests.
 */
import {
  type Log,
  type Mongod,
  runningMongod,
  startEmbeddedMongod,
  userCacheDir,
} from '@continuum-billing/embedded-mongod';

/** The server's data; other tools may use databases of their own on the same MongoDB. */
const DATABASE = 'continuum';

/** Where downloaded programs are kept. */
export const CACHE_DIR = userCacheDir('continuum-billing');

/**
 * @param dataDir kept between starts; contains everything
 * @returns the running MongoDB, with the connection string of the server's database
 * @throws an error for a person to read
 */
export function startEmbeddedMongodb(dataDir: string, log: Log): Promise<Mongod> {
  const advice = ['set MONGODB_URI to a running MongoDB (a replica set, version 6 or later)'];
  return startEmbeddedMongod({ dataDir, database: DATABASE, cacheDir: CACHE_DIR, advice, log });
}

/** @returns the connection string of the MongoDB that a running server has on the directory; null when none runs */
export function runningMongodb(dataDir: string): Promise<string | null> {
  return runningMongod(dataDir, DATABASE);
}
