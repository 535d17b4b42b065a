import mongoose, { type Connection, type mongo } from 'mongoose';
import type { Logger } from 'pino';

/**
 * Requests fail within two seconds while the database is unavailable. The driver's monitor notices after at most one
 * heartbeat and one connect timeout, and aborts running operations. Retries and new operations then look for a primary.
 */
const HEARTBEAT_MS = 500;
const CONNECT_MS = 700;
const SERVER_SELECTION_MS = 300;
const MAX_POOL_SIZE = 50;
const FIRST_CONNECT_MS = 30_000;
const PING_MS = 1_000;

/**
 * Connects to the database, and waits up to 30 s for one that is still starting.
 * @param options.watch gets each client before it connects
 * @param options.monitorCommands whether clients have events for commands, which cost a fifth of an operation
 * @throws if there is no answer within 30 s, or the server is not a replica set, which transactions and change streams need
 */
export async function connectDatabase(
  uri: string,
  log: Logger,
  {
    watch = () => undefined,
    monitorCommands = false,
  }: { watch?: (client: mongo.MongoClient) => void; monitorCommands?: boolean } = {},
): Promise<Connection> {
  const deadline = Date.now() + FIRST_CONNECT_MS;
  for (;;) {
    const connection = mongoose.createConnection(uri, {
      serverSelectionTimeoutMS: SERVER_SELECTION_MS,
      heartbeatFrequencyMS: HEARTBEAT_MS,
      connectTimeoutMS: CONNECT_MS,
      maxPoolSize: MAX_POOL_SIZE,
      // A write is acknowledged only after a majority has it on disk.
      writeConcern: { w: 'majority', journal: true },
      autoCreate: false,
      autoIndex: false,
      bufferCommands: false,
      monitorCommands,
    });
    watch(connection.getClient());
    try {
      await connection.asPromise();
      await needReplicaSet(connection);
      return connection;
    } catch (error) {
      await connection.close().catch(() => undefined);
      const { name, message } = error as Error;
      if (!/Selection|Network/.test(name) || Date.now() > deadline) {
        throw new Error(`MongoDB cannot be used: ${message}`, { cause: error });
      }
      log.warn({ problem: message }, 'database.unavailable');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

async function needReplicaSet(connection: Connection): Promise<void> {
  const hello = await connection.db?.admin().command({ hello: 1 });
  if (!hello?.setName && hello?.msg !== 'isdbgrid') {
    throw new Error('it is a standalone server; start it as a replica set (--replSet, then rs.initiate())');
  }
}

/** @returns why the database cannot be used at the moment; null if it can */
export async function databaseProblem(connection: Connection): Promise<string | null> {
  try {
    await connection.db?.command({ ping: 1 }, { timeoutMS: PING_MS });
    return connection.db ? null : 'not connected to the database';
  } catch {
    return 'the database does not answer';
  }
}
