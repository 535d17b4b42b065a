/**
 * The server's use of the embedded MongoDB, for first starts, development and tests.
 */
import {
  type Log,
  type Mongod,
  runningMongod,
  startEmbeddedMongod,
  UnusableDirectory,
  userCacheDir,
} from '@continuum-billing/embedded-mongod';
import { ConfigError } from './config/config.js';

/** The server's data; other tools may use databases of their own on the same MongoDB. */
const DATABASE = 'continuum';

/** Where downloaded programs are kept. */
export const CACHE_DIR = userCacheDir('continuum-billing');

/**
 * @param dataDir kept between starts; contains everything
 * @returns the running MongoDB, with the connection string of the server's database
 * @throws ConfigError for a directory that cannot be written; another error for a person to read
 */
export async function startEmbeddedMongodb(dataDir: string, log: Log): Promise<Mongod> {
  const advice = ['set MONGODB_URI to a running MongoDB (a replica set, version 6 or later)'];
  try {
    return await startEmbeddedMongod({ dataDir, database: DATABASE, cacheDir: CACHE_DIR, advice, log });
  } catch (error) {
    if (!(error instanceof UnusableDirectory)) throw error;
    throw new ConfigError([
      `DATA_DIR: ${error.message}; make room or name a directory that the server may write, or set MONGODB_URI`,
    ]);
  }
}

/** @returns the connection string of the MongoDB that a running server has on the directory; null when none runs */
export function runningMongodb(dataDir: string): Promise<string | null> {
  return runningMongod(dataDir, DATABASE);
}
