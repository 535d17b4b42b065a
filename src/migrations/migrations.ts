import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mongoose';
import { needRestored } from '../databaseRestore.js';
import type { Models } from '../models/models.js';
import { createLease } from '../services/infrastructure/lease.js';
import { ALIVE_MS } from '../services/tiers/serverInstances.js';
import { moveToLedgers } from './ledgers.js';
import type { Migration, MigrationDeps } from './migration.js';

/** In order. The version of a database is how many of them it has. Never change or remove one that was released. */
const MIGRATIONS: readonly Migration[] = [{ name: 'ledgers', run: moveToLedgers }];

const SCHEMA_ID = 'schema';
const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
const POLL_MS = 500;
const PATIENCE_MS = 2_000;

interface StoredSchema {
  _id: typeof SCHEMA_ID;
  version: number;
  /** The version that a migration has begun to bring. */
  next?: number;
}

const settingsOf = (connection: Connection) => connection.collection<StoredSchema>('settings');

/**
 * Brings the data to what this version expects. One server at a time does it, and the others wait; nothing is served
 * meanwhile.
 * @throws Error if a later version has used the database, a server of an earlier one runs on it, or one migration fails
 */
export async function migrate(deps: MigrationDeps): Promise<void> {
  const { models, log } = deps;
  const lease = createLease({ models, name: 'migration', ttlMs: LEASE_MS });
  while ((await versionOf(models)) < MIGRATIONS.length) {
    if (!(await lease.acquire())) {
      await sleep(POLL_MS);
      continue;
    }
    const renewing = setInterval(() => void lease.acquire().catch(() => undefined), RENEW_MS);
    try {
      // Another server may have done it before this one got the lease.
      const version = await versionOf(models);
      if (version < MIGRATIONS.length) await shutOutEarlier(models);
      for (const [i, { name, run }] of MIGRATIONS.entries()) {
        if (i < version) continue;
        log.info({ migration: name }, 'migration.started');
        await run(deps);
        await setVersion(models.connection, i + 1);
        log.info({ migration: name }, 'migration.finished');
      }
    } finally {
      clearInterval(renewing);
      await lease.release();
    }
  }
}

/** @throws Error unless a billing server of this version has prepared the database */
export async function needMigrated(models: Models): Promise<void> {
  await needRestored(models.connection);
  if ((await versionOf(models)) < MIGRATIONS.length)
    throw new Error(
      'The database has the data of an earlier version: start the billing server of this version on it first',
    );
}

/**
 * A server that runs has found the data of its own version, and would go on writing them. None starts from now on.
 * @throws Error while one runs
 */
async function shutOutEarlier({ connection, serverInstances }: Models): Promise<void> {
  const isAlive = { $expr: { $gt: ['$seenAt', { $subtract: ['$$NOW', ALIVE_MS] }] } };
  // One that was killed a moment ago seems to run.
  const untilMs = performance.now() + ALIVE_MS + PATIENCE_MS;
  while (await serverInstances.collection.findOne(isAlive, { projection: { _id: 1 } })) {
    if (performance.now() > untilMs)
      throw new Error(
        'A server of an earlier version runs on this database: stop all of them, then start this one',
      );
    await sleep(POLL_MS);
  }
  await settingsOf(connection).updateOne(
    { _id: SCHEMA_ID },
    { $set: { next: MIGRATIONS.length }, $setOnInsert: { version: 0 } },
    { upsert: true },
  );
}

async function versionOf({ connection, tenants }: Models): Promise<number> {
  const stored = await settingsOf(connection).findOne({ _id: SCHEMA_ID });
  const latest = stored && Math.max(stored.version, stored.next ?? 0);
  if (latest && latest > MIGRATIONS.length)
    throw new Error(
      `The database was used by a later version (${latest}; this one knows ${MIGRATIONS.length}). Start that version or a later one`,
    );
  if (stored) return stored.version;
  if (await tenants.exists({})) return 0;
  // A new database has nothing to change.
  await setVersion(connection, MIGRATIONS.length);
  return MIGRATIONS.length;
}

async function setVersion(connection: Connection, version: number): Promise<void> {
  await settingsOf(connection).updateOne({ _id: SCHEMA_ID }, { $max: { version } }, { upsert: true });
}
