import type { Logger } from 'pino';
import { ENDED } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';
import type { TierDefinition } from './catalogue.js';
import type { Tiers } from './tiers.js';

/** Says how many subscriptions hold a version that the catalogue does not have any more: they have the present one. */
export async function warnOfLostVersions(deps: { models: Models; tiers: Tiers; log: Logger }): Promise<void> {
  const { models, tiers, log } = deps;
  const lost = await models.billingSubscriptions.aggregate<{ _id: string; subscriptions: number }>([
    { $match: { status: { $nin: ENDED }, $or: tiers.all().map(lostOf) } },
    { $group: { _id: '$tier', subscriptions: { $sum: 1 } } },
  ]);
  for (const { _id: tier, subscriptions } of lost) {
    const { version } = tiers.get(tier);
    log.warn(
      { tier, subscriptions },
      `subscriptions hold a version of ${tier} that the catalogue lacks, and have version ${version} now; put theirs into its \`former\` to give it back`,
    );
  }
}

function lostOf({ name, version, former }: TierDefinition) {
  const kept = [version, ...former.map((one) => one.version)];
  return { tier: name, tierVersion: { $nin: kept } };
}
