import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from 'mongoose';
import { needRestored } from '../databaseRestore.js';
import type { Models } from '../models/models.js';
import { createLease } from '../services/infrastructure/lease.js';
import { moveToLedgers } from './ledgers.js';
import type { Migration, MigrationDeps } from './migration.js';

/** In order. The version of a database is how many of them it has. Never change or remove one that was released. */
const MIGRATIONS: readonly Migration[] = [{ name: 'ledgers', run: moveToLedgers }];

const SCHEMA_ID = 'schema';
const LEASE_MS = 30_000;
const RENEW_MS = 10_000;
const POLL_MS = 500;

const settingsOf = (connection: Connection) =>
  connection.collection<{ _id: string; version: number }>('settings');

/**
 * Brings the data to what this version expects. One server at a time does it, and the others wait; nothing is served
 * meanwhile.
 * @throws Error if a later version has used the database, or one migration fails
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

async function versionOf({ connection, tenants }: Models): Promise<number> {
  const stored = await settingsOf(connection).findOne({ _id: SCHEMA_ID });
  if (stored && stored.version > MIGRATIONS.length)
    throw new Error(
      `The database was used by a later version (${stored.version}; this one knows ${MIGRATIONS.length}). Start that version or a later one`,
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
