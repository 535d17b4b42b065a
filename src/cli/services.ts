import type { Logger } from 'pino';
import { type AgreedClock, startAgreedClock } from '../common/agreedClock.js';
import { type Config, readConfig } from '../config/config.js';
import { connectDatabase } from '../database.js';
import { checkDatabaseIdentity } from '../databaseIdentity.js';
import { runningMongodb, startEmbeddedMongodb } from '../embeddedMongodb.js';
import { silentLog } from '../log.js';
import { createCollections, createModels } from '../models/models.js';
import { createServices, type RunningServices } from '../services/createServices.js';
import { createErrorReports } from '../services/infrastructure/errorReports.js';
import { noMetrics } from '../services/infrastructure/metrics.js';
import type { Output } from './output.js';

type Connection = Awaited<ReturnType<typeof connectDatabase>>;

export interface Command {
  /** The event that is reported when the command fails: `reconcile.failed`. */
  failure: string;
  /** Whether a new database may be prepared: collections, indexes, and which Stripe it belongs to. */
  writes: boolean;
}

/**
 * Runs a command with the services of a server, which are not started, on the server's database. The embedded MongoDB is
 * started if it does not run.
 * @throws ConfigError
 */
export async function withServices<T>(
  { env, note }: Pick<Output, 'env' | 'note'>,
  { failure, writes }: Command,
  work: (services: RunningServices) => Promise<T>,
): Promise<T> {
  const config = readConfig(env);
  const reports = config.sentry && (await createErrorReports(config.sentry));
  const log = silentLog(reports);
  try {
    return await withDatabase({ ...config, log, note }, async (connection, clock) =>
      work(await servicesOn(connection, { config, clock, log, writes })),
    );
  } catch (error) {
    log.error({ err: error }, failure);
    throw error;
  } finally {
    await reports?.flush();
  }
}

/** Runs a command on the server's database, and starts the embedded MongoDB if it does not run. @param note gets what that prints */
export async function withDatabase<T>(
  {
    mongodbUri,
    dataDir,
    log,
    note,
  }: Pick<Config, 'mongodbUri' | 'dataDir'> & { log: Logger; note: Output['note'] },
  work: (connection: Connection, clock: AgreedClock) => Promise<T>,
): Promise<T> {
  const found = mongodbUri ?? (await runningMongodb(dataDir));
  const mongod = found ? null : await startEmbeddedMongodb(dataDir, note);
  try {
    const connection = await connectDatabase(found ?? (mongod?.uri as string), log);
    const clock = await startAgreedClock(connection, log);
    try {
      return await work(connection, clock);
    } finally {
      clock.stop();
      await connection.close();
    }
  } finally {
    await mongod?.stop();
  }
}

async function servicesOn(
  connection: Connection,
  deps: { config: Config; clock: AgreedClock; log: Logger; writes: boolean },
): Promise<RunningServices> {
  const { config, clock, log, writes } = deps;
  await checkDatabaseIdentity({ connection, stripe: config.stripe, log, remembers: writes });
  const models = createModels(connection);
  if (writes) await createCollections(models);
  const publicUrl = () => config.publicUrl ?? 'http://127.0.0.1';
  const shared = { config, models, clock, log, metrics: noMetrics };
  const services = await createServices({ ...shared, ownUrl: () => undefined, publicUrl });
  await services.checkCatalogue();
  return services;
}
