import { parseArgs } from 'node:util';
import { startAgreedClock } from '../src/common/agreedClock.js';
import { ConfigError, readConfig } from '../src/config/config.js';
import { connectDatabase } from '../src/database.js';
import { checkDatabaseIdentity } from '../src/databaseIdentity.js';
import { runningMongodb, startEmbeddedMongodb } from '../src/embeddedMongodb.js';
import { silentLog } from '../src/log.js';
import { createCollections, createModels } from '../src/models/models.js';
import {
  type ReconcileProgress,
  type ReconcileRunDoc,
  ReconcileTrigger,
} from '../src/services/billing/reconcile/reconcile.js';
import { describeFailure } from '../src/services/billing/stripe/stripeErrors.js';
import { createServices } from '../src/services/createServices.js';
import { createErrorReports } from '../src/services/infrastructure/errorReports.js';
import { noMetrics } from '../src/services/infrastructure/metrics.js';

const HELP = `Compares subscriptions, customers and the events of the last 30 days with Stripe, and repairs what is out of sync.

  npm run reconcile                  compare and repair; safe while servers run
  npm run reconcile -- --dry-run     print what it would repair
  npm run reconcile -- --force       continue, however many subscriptions would end
  npm run reconcile -- --help        print this text

Before it changes anything, it counts. It stops if more than 5 subscriptions, and more than 1 % of those that grant a tier,
would end or are not shown by Stripe: the key probably belongs to another account or mode. Subscriptions that Stripe does
not show are kept in any case.

An interrupted run is resumed within a day. The environment variables are those of the server.
Exit code: 0 when it finished; 1 when it stopped early, or would have without --dry-run.
`;

const APPLY_MS = 60_000;
const BAR_CHARS = 24;

const printError = (line: string) => process.stderr.write(`${line}\n`);

interface Options {
  dryRun: boolean;
  force: boolean;
  help: boolean;
}

function read(): Options {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({ options: { 'dry-run': flag, force: flag, help: flag } });
  return { dryRun: values['dry-run'], force: values.force, help: values.help };
}

async function reconcile({ dryRun, force }: Options): Promise<void> {
  const config = readConfig();
  const reports = config.sentry && (await createErrorReports(config.sentry));
  const log = silentLog(reports);
  const found = config.mongodbUri ?? (await runningMongodb(config.dataDir));
  const mongod = found ? null : await startEmbeddedMongodb(config.dataDir, printError);
  try {
    const connection = await connectDatabase(found ?? (mongod?.uri as string), log);
    const clock = await startAgreedClock(connection, log);
    try {
      await checkDatabaseIdentity({ connection, stripe: config.stripe, log });
      const models = createModels(connection);
      await createCollections(models);
      const publicUrl = () => config.publicUrl ?? 'http://127.0.0.1';
      const services = await createServices({
        config,
        models,
        clock,
        log,
        metrics: noMetrics,
        ownUrl: () => undefined,
        publicUrl,
      });
      await services.checkCatalogue();
      const trigger = ReconcileTrigger.SCRIPT;
      report(await services.reconcile.run({ dryRun, force, trigger, onProgress: showProgress }));
      // Missed events are applied here, because no server may be running.
      if (!dryRun) services.inbox.start();
      await services.inbox.idle(APPLY_MS);
      await services.inbox.stop();
    } finally {
      clock.stop();
      await connection.close();
    }
  } catch (error) {
    log.error({ err: error }, 'reconcile.failed');
    throw error;
  } finally {
    await reports?.flush();
    await mongod?.stop();
  }
}

/** Redraws one bar on a terminal; elsewhere it prints a line for each page. */
function showProgress({ phase, seen, done, found }: ReconcileProgress): void {
  const full = Math.round(done * BAR_CHARS);
  const bar = `${'#'.repeat(full)}${'-'.repeat(BAR_CHARS - full)}`;
  const line = `[${bar}] ${phase}: ${seen} compared, ${found} out of sync`;
  const { isTTY } = process.stderr;
  process.stderr.write(isTTY ? `\r\x1b[K${line}${done === 1 ? '\n' : ''}` : `${line}\n`);
}

function report({ _id, dryRun, mended, mendedCount, unseen, stopReason }: ReconcileRunDoc): void {
  for (const { kind, object, tenantId, found } of mended) {
    console.log(`${kind} ${object}${tenantId ? ` of ${tenantId}` : ''}: ${found}`);
  }
  const omitted = mendedCount - mended.length;
  if (omitted > 0) console.log(`… and ${omitted} more`);
  if (unseen > 0) console.log(`${unseen} are not shown by Stripe and were kept`);
  if (stopReason) {
    printError(stopReason);
    process.exitCode = 1;
  }
  console.log(
    `${mendedCount} ${dryRun ? 'to repair' : 'repaired'}; the run is stored as ${_id} in reconcile_runs`,
  );
}

try {
  const options = read();
  if (options.help) process.stdout.write(HELP);
  else await reconcile(options);
} catch (error) {
  printError(
    error instanceof ConfigError ? error.message : `The reconcile did not finish: ${describeFailure(error)}`,
  );
  process.exitCode = 1;
}
