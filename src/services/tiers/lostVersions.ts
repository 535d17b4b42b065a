import type { Logger } from 'pino';
import type { Models } from '../../models/models.js';
import type { Tiers } from './tiers.js';

/** Says how many subscriptions hold a version that the catalogue does not have any more: they have the present one. */
export async function warnOfLostVersions(deps: { models: Models; tiers: Tiers; log: Logger }): Promise<void> {
  for (const { name, version, former } of deps.tiers.all()) {
    const kept = [version, ...former.map((one) => one.version)];
    // Those that were written before versions were have the first.
    const known = kept.includes(1) ? [...kept, null] : kept;
    const subscriptions = await deps.models.billingSubscriptions.countDocuments({
      tier: name,
      tierVersion: { $nin: known },
    });
    if (subscriptions === 0) continue;
    deps.log.warn(
      { tier: name, subscriptions },
      `subscriptions hold a version of ${name} that the catalogue lacks, and have version ${version} now; put theirs into its \`former\` to give it back`,
    );
  }
}
