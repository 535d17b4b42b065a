/**
 * A replica set of one. Transactions and change streams exist only on replica sets, and one member is enough.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Db,
  MongoClient,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
} from 'mongodb';

export const REPLICA_SET = 'rs0';
const HOST = '127.0.0.1';
const POLL_INTERVAL_MS = 20;

/** Errors of a mongod that is still reading its configuration: retry. */
const NOT_YET = new Set([
  'NotYetInitialized',
  'AlreadyInitialized',
  'ConfigurationInProgress',
  'NodeNotFound',
]);

/** directConnection: one member needs no discovery, so the address is right whatever the configuration contains. */
export function memberUri(port: number): string {
  return `mongodb://${HOST}:${port}/?replicaSet=${REPLICA_SET}&directConnection=true`;
}

/**
 * Makes the mongod on `port` a writable primary: initiates the set on the first start, and rewrites its one address
 * when the port has changed.
 *
 * A lost connection, or another program that answers on the port, is not an error: MongoDB closes connections when the
 * member changes its state, and a mongod that did not get its port ends by itself, with an exit code that says so.
 * @param expectedPid the mongod that was started: another one may listen on the port and answer in its place
 * @param signal ends the wait
 * @throws the signal's reason, or what MongoDB answered
 */
export async function becomePrimary(port: number, expectedPid: number, signal: AbortSignal): Promise<void> {
  for (; ; await sleep(POLL_INTERVAL_MS, undefined, { signal })) {
    try {
      if (await isPrimary(port, expectedPid, signal)) return;
    } catch (error) {
      if (!(error instanceof MongoNetworkError || error instanceof MongoServerSelectionError)) throw error;
    }
  }
}

/** @returns false when another MongoDB answers on the port */
async function isPrimary(port: number, expectedPid: number, signal: AbortSignal): Promise<boolean> {
  const client = new MongoClient(`mongodb://${HOST}:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 5_000,
  });
  try {
    const admin = (await client.connect()).db('admin');
    const { pid } = await admin.command({ serverStatus: 1 });
    if (Number(pid) !== expectedPid) return false;
    for (; ; await sleep(POLL_INTERVAL_MS, undefined, { signal })) {
      const hello = await admin.command({ hello: 1 });
      if (hello.isWritablePrimary === true) return true;
      if (hello.setName === undefined) await configure(admin, `${HOST}:${port}`);
    }
  } finally {
    await client.close();
  }
}

/** Configures a member that has no usable configuration. Does nothing while it is still loading its own. */
async function configure(admin: Db, host: string): Promise<void> {
  try {
    const config = await storedConfig(admin);
    if (!config) {
      await admin.command({
        replSetInitiate: {
          _id: REPLICA_SET,
          members: [{ _id: 0, host }],
          settings: { electionTimeoutMillis: 500 },
        },
      });
    } else if (config.members[0]?.host !== host) {
      // force: without a primary, no member could agree to the change.
      const moved = { ...config, version: config.version + 1, members: [{ ...config.members[0], host }] };
      await admin.command({ replSetReconfig: moved, force: true });
    }
  } catch (error) {
    if (!(error instanceof MongoServerError && NOT_YET.has(error.codeName ?? ''))) throw error;
  }
}

interface StoredConfig {
  version: number;
  members: { host: string }[];
}

/** Read from the database, because replSetGetConfig fails until the member has found itself in its configuration. */
async function storedConfig(admin: Db): Promise<StoredConfig | undefined> {
  const found = await admin.client
    .db('local')
    .collection<StoredConfig>('system.replset')
    .findOne({ _id: REPLICA_SET as never });
  return found ?? undefined;
}
