/**
 * The embedded MongoDB: found or fetched, then started on a data directory.
 */

import type { Log } from './binaries/source.js';
import { findMongod } from './binary.js';
import { ownerState, readOwner } from './owner.js';
import { filesIn, type Mongod, startMongod } from './process.js';
import { memberUri } from './replicaSet.js';

export type { Log } from './binaries/source.js';
export { findMongod } from './binary.js';
export { type Mongod, type MongodExit, startMongod } from './process.js';

/** The server's data; tools on the same MongoDB may use databases of their own. */
const DATABASE = 'continuum';

export interface EmbeddedMongodOptions {
  /** Kept between starts. Holds everything: data, log, port. */
  dataDir: string;
  /** Takes a line per step; the first start may download MongoDB. */
  log: Log;
}

/**
 * @returns the running MongoDB; `uri` names the server's database
 * @throws an error for a person to read: nothing to run, or nothing that starts
 */
export async function startEmbeddedMongod({ dataDir, log }: EmbeddedMongodOptions): Promise<Mongod> {
  const mongod = await startMongod({ binary: await findMongod({ log }), dataDir, log });
  return { ...mongod, uri: withDatabase(mongod.uri, DATABASE) };
}

/** @returns the address of the MongoDB that a running server has on the directory; null when none runs */
export async function runningMongod(dataDir: string): Promise<string | null> {
  const files = filesIn(dataDir);
  const state = await ownerState(await readOwner(files.owner), files.data);
  return state.kind === 'live' ? withDatabase(memberUri(state.owner.port), DATABASE) : null;
}

/** @returns the connection string with its database name set */
export function withDatabase(uri: string, database: string): string {
  const [, start, query = ''] = /^([a-z+]+:\/\/[^/?]+)(?:\/[^?]*)?(\?.*)?$/.exec(uri) ?? [];
  if (start === undefined) throw new Error('not a MongoDB connection string');
  return `${start}/${database}${query}`;
}
