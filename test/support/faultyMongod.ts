import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findMongod, type Mongod, startMongod, withDatabase } from '@continuum-billing/embedded-mongod';
import { choosePort } from '@continuum-billing/embedded-mongod/programs';
import mongoose from 'mongoose';
import { CACHE_DIR } from '../../src/embeddedMongodb.js';
import { makeDataDirectory } from './dataDirectory.js';
import type { SmallDisk } from './smallDisk.js';

/** A MongoDB of a test's own, to be killed, stopped and started again on the same data and port. */
export interface FaultyMongod {
  /** With the name of a database. */
  uri: string;
  /** `kill -9`; resolves when it has ended. */
  kill(): Promise<void>;
  /** The process that runs now. */
  pid(): number;
  /** Resolves when it has ended by itself. */
  ended(): Promise<void>;
  /** After its end. */
  restart(): Promise<void>;
  /** SIGSTOP: its port takes connections, and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** A connection of the test's own, closed by `remove`. */
  connect(): Promise<mongoose.Connection>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

const silent = () => undefined;

/** @param disk where its data is, instead of a directory of its own, which has room */
export async function startFaultyMongod(disk?: SmallDisk): Promise<FaultyMongod> {
  const dataDir = disk?.directory ?? (await makeDataDirectory('continuum-faults-'));
  const binary = disk ? join(disk.bin, 'mongod') : await findMongod({ cacheDir: CACHE_DIR, log: silent });
  const options = { binary, dataDir, log: silent, port: await choosePort(undefined, silent) };
  let mongod: Mongod = await startMongod(options);
  const uri = withDatabase(mongod.uri, 'faults');
  const connections: mongoose.Connection[] = [];
  return {
    uri,
    async kill() {
      process.kill(mongod.pid, 'SIGKILL');
      await mongod.exited;
    },
    pid: () => mongod.pid,
    async ended() {
      await mongod.exited;
    },
    async restart() {
      mongod = await startMongod(options);
    },
    freeze: () => {
      process.kill(mongod.pid, 'SIGSTOP');
    },
    thaw: () => {
      process.kill(mongod.pid, 'SIGCONT');
    },
    async connect() {
      const connection = await mongoose.createConnection(uri).asPromise();
      connections.push(connection);
      return connection;
    },
    async remove() {
      await Promise.all(connections.map((connection) => connection.close()));
      await mongod.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
