import { type ReconcileRunDoc, ReconcileTrigger } from '../services/billing/reconcile/reconcile.js';
import type { Output, Result } from './output.js';
import { withServices } from './services.js';

/** How long missed events are applied. */
const APPLY_MS = 60_000;

/** Compares with Stripe and repairs. It is not done if the run stopped early. */
export const reconcile = (output: Output, options: { dryRun: boolean; force: boolean }): Promise<Result> =>
  withServices(output, { failure: 'reconcile.failed', writes: true }, async (services) => {
    const run = await services.reconcile.run({
      ...options,
      trigger: ReconcileTrigger.SCRIPT,
      onProgress: ({ phase, seen, done, found }) =>
        output.progress(done, `${phase}: ${seen} compared, ${found} out of sync`),
    });
    // Missed events are applied here, because no server may be running.
    if (!options.dryRun) services.inbox.start();
    await services.inbox.idle(APPLY_MS);
    await services.inbox.stop();
    return resultOf(run, output);
  });

function resultOf(run: ReconcileRunDoc, output: Output): Result {
  const { _id, dryRun, mended, mendedCount, unseen, stopReason } = run;
  for (const { kind, object, tenantId, found } of mended) {
    const repair = { kind, object, tenantId, found };
    output.item(repair, `${kind} ${object}${tenantId ? ` of ${tenantId}` : ''}: ${found}`);
  }
  if (stopReason) output.note(stopReason);
  const omitted = mendedCount - mended.length;
  const lines = [
    ...(omitted > 0 ? [`… and ${omitted} more`] : []),
    ...(unseen > 0 ? [`${unseen} are not shown by Stripe and were kept`] : []),
    `${mendedCount} ${dryRun ? 'to repair' : 'repaired'}; the run is stored as ${_id} in reconcile_runs`,
  ];
  const json = { run: _id, dryRun, count: mendedCount, unseen, stopReason: stopReason ?? null };
  return { json, text: lines.join('\n'), ok: !stopReason };
}
