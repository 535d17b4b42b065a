import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMongod, startMongod, withDatabase } from '@continuum-billing/embedded-mongod';
import mongoose, { type Connection, type mongo } from 'mongoose';
import { pino } from 'pino';
import { connectDatabase } from '../src/database.js';
import { CACHE_DIR } from '../src/embeddedMongodb.js';
import { migrate } from '../src/migrations/migrations.js';
import { createCollections, createModels, type Models } from '../src/models/models.js';

/** A fresh MongoDB, a replica set of one, with a database for each server that is measured. */
export interface BenchMongod {
  version: string;
  pid: number;
  uriOf(database: string): string;
  /** What `serverStatus` answers. */
  status(): Promise<mongo.Document>;
  /** Models of a new database, with its collections and indexes. */
  create(database: string): Promise<Models>;
  remove(): Promise<void>;
}

/** WiredTiger's cache. A million tenants and their usage do not fit into the embedded default. */
const CACHE_GB = 1;

const silent = () => undefined;
const log = pino({ level: 'silent' });

export async function startBenchMongod(): Promise<BenchMongod> {
  const binary = await findMongod({ cacheDir: CACHE_DIR, log: (line) => process.stderr.write(`${line}\n`) });
  const dataDir = await mkdtemp(join(tmpdir(), 'continuum-bench-'));
  const mongod = await startMongod({ binary, dataDir, log: silent, cacheGb: CACHE_GB });
  const connections: Connection[] = [];
  const uriOf = (database: string) => withDatabase(mongod.uri, database);
  const admin = await mongoose.createConnection(uriOf('admin')).asPromise();
  connections.push(admin);
  const ask = async (command: object) => (await admin.db?.command(command)) as mongo.Document;
  return {
    version: String((await ask({ buildInfo: 1 })).version),
    pid: mongod.pid,
    uriOf,
    status: () => ask({ serverStatus: 1 }),
    async create(database) {
      // As the server itself connects: with its pool and its write concern.
      const connection = await connectDatabase(uriOf(database), log);
      connections.push(connection);
      const models = createModels(connection);
      // Before there is any tenant: a new database has the data of this version.
      await migrate({ models, clock: { now: Date.now }, log });
      await createCollections(models);
      return models;
    },
    async remove() {
      await Promise.all(connections.map((connection) => connection.close()));
      await mongod.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
