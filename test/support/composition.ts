import { openSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { findMongod } from '@continuum-billing/embedded-mongod';
import { choosePort, listening, spawnGuarded } from '@continuum-billing/embedded-mongod/programs';
import mongoose from 'mongoose';
import { parse } from 'yaml';
import { CACHE_DIR } from '../../src/embeddedMongodb.js';
import { makeDataDirectory } from './dataDirectory.js';
import { startRedis, type TestRedis } from './redis.js';
import { type ServerProcess, spawnServer } from './serverProcess.js';

/** The services of deploy/compose.yaml as processes of this machine, with the same commands and environment. */
export interface Composition {
  redis: TestRedis;
  /** One more server. */
  startServer(): Promise<ServerProcess>;
  stop(): Promise<void>;
}

export const COMPOSITION_OPERATOR = 'operator-key-of-the-composition-0123456';
const START_MS = 30_000;
const POLL_MS = 100;

/** @param more variables that a person changes in deploy/.env */
export async function startComposition(more: Record<string, string>): Promise<Composition> {
  const { server, mongodb } = parse(readFileSync('deploy/compose.yaml', 'utf8')).services;
  const database = await startDatabase(mongodb.command);
  const redis = await startRedis();
  const servers: ServerProcess[] = [];
  const env = {
    ...exampleVariables(),
    NODE_ENV: 'production',
    MONGODB_URI: server.environment.MONGODB_URI.replace('mongodb:27017', `127.0.0.1:${database.port}`),
    REDIS_URL: server.environment.REDIS_URL.replace('redis://redis:6379', redis.url),
    HOST: '127.0.0.1',
    // Each server then prints where it listens.
    PUBLIC_URL: '',
    LOG_LEVEL: 'warn',
    ADMIN_API_KEY: COMPOSITION_OPERATOR,
    ...more,
  };
  return {
    redis,
    async startServer() {
      const started = await spawnServer(env);
      servers.push(started);
      return started;
    },
    async stop() {
      for (const started of servers) await started.end('SIGKILL').catch(() => undefined);
      await redis.kill();
      await database.stop();
    },
  };
}

/** What deploy/.env has when it was copied and filled in with nothing. */
const exampleVariables = (): Record<string, string> =>
  Object.fromEntries(
    [...readFileSync('deploy/environment.example', 'utf8').matchAll(/^([A-Z_]+)=(.+)$/gm)].map(
      ([, name = '', value = '']) => [name, value],
    ),
  );

async function startDatabase(command: string[]) {
  const port = await choosePort(undefined, () => undefined);
  const dataDir = await makeDataDirectory('continuum-composition-');
  const binary = await findMongod({ cacheDir: CACHE_DIR, log: () => undefined });
  const flags = command.slice(1).map((flag) => (flag === '--bind_ip_all' ? '--bind_ip=127.0.0.1' : flag));
  const own = ['--dbpath', dataDir, '--port', `${port}`, '--oplogSize', '128', '--nounixsocket'];
  const mongod = await spawnGuarded([binary, ...flags, ...own], openSync('/dev/null', 'w'));
  await listening(port, AbortSignal.timeout(START_MS));
  await becomePrimary(port);
  return {
    port,
    async stop() {
      mongod.end();
      await mongod.exited;
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** What the health check of the compose file does. */
async function becomePrimary(port: number): Promise<void> {
  const client = new mongoose.mongo.MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`);
  try {
    const admin = client.db('admin');
    const members = [{ _id: 0, host: `127.0.0.1:${port}` }];
    await admin.command({ replSetInitiate: { _id: 'rs0', members } });
    while (!(await admin.command({ hello: 1 })).isWritablePrimary) await sleep(POLL_MS);
  } finally {
    await client.close();
  }
}
