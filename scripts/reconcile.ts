import { parseArgs } from 'node:util';
import { ConfigError } from '../src/config/config.js';
import { type ReconcileRunDoc, ReconcileTrigger } from '../src/services/billing/reconcile/reconcile.js';
import { describeFailure } from '../src/services/billing/stripe/stripeErrors.js';
import { showProgress } from './support/progressBar.js';
import { printError, withServices } from './support/services.js';

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

const reconcile = ({ dryRun, force }: Options): Promise<void> =>
  withServices({ failure: 'reconcile.failed', writes: true }, async (services) => {
    const run = await services.reconcile.run({
      dryRun,
      force,
      trigger: ReconcileTrigger.SCRIPT,
      onProgress: ({ phase, seen, done, found }) =>
        showProgress(done, `${phase}: ${seen} compared, ${found} out of sync`),
    });
    report(run);
    // Missed events are applied here, because no server may be running.
    if (!dryRun) services.inbox.start();
    await services.inbox.idle(APPLY_MS);
    await services.inbox.stop();
  });

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
