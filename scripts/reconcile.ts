import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { startAgreedClock } from '../src/common/agreedClock.js';
import { ConfigError, readConfig } from '../src/config/config.js';
import { connectDatabase } from '../src/database.js';
import { runningMongodb, startEmbeddedMongodb } from '../src/embeddedMongodb.js';
import { createCollections, createModels } from '../src/models/models.js';
import type { ReconcileProgress, ReconcileRunDoc } from '../src/services/billing/reconcile/reconcile.js';
import { describeFailure } from '../src/services/billing/stripe/stripeErrors.js';
import { createServices } from '../src/services/createServices.js';

const HELP = `Compares subscriptions, customers and the events of the last 30 days with Stripe, and mends what differs.

  npm run reconcile                  compare and mend; safe while servers run
  npm run reconcile -- --dry-run     say what it would mend
  npm run reconcile -- --force       go on, however many subscriptions would end
  npm run reconcile -- --help        this text

Before it changes anything, it counts. If more than 5 subscriptions and more than 1 % of them would end, or are not shown by
Stripe, it stops: the key is of another account or mode. What Stripe does not show is kept in any case.

A run that was cut short goes on where it was, within a day. It is configured by the environment, as the server is.
Exit code: 0 when it came to its end; 1 when it stopped, or would have without --dry-run.
`;

const APPLY_MS = 60_000;
const BAR_CHARS = 24;

const say = (line: string) => process.stderr.write(`${line}\n`);

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
  const found = config.mongodbUri ?? (await runningMongodb(config.dataDir));
  const mongod = found ? null : await startEmbeddedMongodb(config.dataDir, say);
  try {
    const log = pino({ level: 'silent' });
    const connection = await connectDatabase(found ?? (mongod?.uri as string), log);
    const clock = await startAgreedClock(connection, log);
    try {
      const models = createModels(connection);
      await createCollections(models);
      const publicUrl = () => config.publicUrl ?? 'http://127.0.0.1';
      const services = await createServices({
        config,
        models,
        clock,
        log,
        ownUrl: () => undefined,
        publicUrl,
      });
      tell(await services.reconcile.run({ dryRun, force, onProgress: showProgress }));
      // What was missed is applied here, for no server may be running.
      if (!dryRun) services.inbox.start();
      await services.inbox.idle(APPLY_MS);
      await services.inbox.stop();
    } finally {
      clock.stop();
      await connection.close();
    }
  } finally {
    await mongod?.stop();
  }
}

/** A bar that is drawn over on a terminal; else a line for each page. */
function showProgress({ phase, seen, done, mendedCount }: ReconcileProgress): void {
  const full = Math.round(done * BAR_CHARS);
  const bar = `${'#'.repeat(full)}${'-'.repeat(BAR_CHARS - full)}`;
  const line = `[${bar}] ${phase}: ${seen} compared, ${mendedCount} found`;
  const { isTTY } = process.stderr;
  process.stderr.write(isTTY ? `\r\x1b[K${line}${done === 1 ? '\n' : ''}` : `${line}\n`);
}

function tell({ _id, dryRun, mended, mendedCount, unseen, stopReason }: ReconcileRunDoc): void {
  for (const { kind, object, tenantId, found } of mended) {
    console.log(`${kind} ${object}${tenantId ? ` of ${tenantId}` : ''}: ${found}`);
  }
  const untold = mendedCount - mended.length;
  if (untold > 0) console.log(`… and ${untold} more`);
  if (unseen > 0) console.log(`${unseen} not shown by Stripe, and kept as they are`);
  if (stopReason) {
    say(stopReason);
    process.exitCode = 1;
  }
  console.log(`${mendedCount} ${dryRun ? 'to be mended' : 'mended'}; stored as ${_id} in reconcile_runs`);
}

try {
  const options = read();
  if (options.help) process.stdout.write(HELP);
  else await reconcile(options);
} catch (error) {
  say(error instanceof ConfigError ? error.message : `It did not come to its end: ${describeFailure(error)}`);
  process.exitCode = 1;
}
