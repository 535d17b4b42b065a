import type { Logger } from 'pino';
import { type AgreedClock, startAgreedClock } from '../../src/common/agreedClock.js';
import { type Config, readConfig } from '../../src/config/config.js';
import { connectDatabase } from '../../src/database.js';
import { checkDatabaseIdentity } from '../../src/databaseIdentity.js';
import { runningMongodb, startEmbeddedMongodb } from '../../src/embeddedMongodb.js';
import { silentLog } from '../../src/log.js';
import { createCollections, createModels } from '../../src/models/models.js';
import { createServices, type RunningServices } from '../../src/services/createServices.js';
import { createErrorReports } from '../../src/services/infrastructure/errorReports.js';
import { noMetrics } from '../../src/services/infrastructure/metrics.js';

type Connection = Awaited<ReturnType<typeof connectDatabase>>;

export const printError = (line: string) => process.stderr.write(`${line}\n`);

export interface Command {
  /** The event that is reported when the command fails: `reconcile.failed`. */
  failure: string;
  /** Whether a new database may be prepared: collections, indexes, and which Stripe it belongs to. */
  writes: boolean;
  /** Default: that of the process. */
  env?: NodeJS.ProcessEnv;
}

/**
 * Runs a command with the services of a server, which are not started, on the server's database. The embedded MongoDB is
 * started if it does not run.
 * @throws ConfigError
 */
export async function withServices<T>(
  { failure, writes, env }: Command,
  work: (services: RunningServices) => Promise<T>,
): Promise<T> {
  const config = readConfig(env);
  const reports = config.sentry && (await createErrorReports(config.sentry));
  const log = silentLog(reports);
  try {
    return await withDatabase(config, log, async (connection, clock) =>
      work(await servicesOn(connection, { config, clock, log, writes })),
    );
  } catch (error) {
    log.error({ err: error }, failure);
    throw error;
  } finally {
    await reports?.flush();
  }
}

/** Runs a command on the server's database, and starts the embedded MongoDB if it does not run. */
export async function withDatabase<T>(
  { mongodbUri, dataDir }: Pick<Config, 'mongodbUri' | 'dataDir'>,
  log: Logger,
  work: (connection: Connection, clock: AgreedClock) => Promise<T>,
): Promise<T> {
  const found = mongodbUri ?? (await runningMongodb(dataDir));
  const mongod = found ? null : await startEmbeddedMongodb(dataDir, printError);
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
