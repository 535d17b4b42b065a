import type { Logger } from 'pino';
import type { Catalogue, TierDefinition } from '../../catalogue/catalogue.js';
import type { Clock } from '../../common/clock.js';
import { ENDED } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';
import { createEntitlements, type Entitlements } from './entitlements.js';
import { createTiers, type Tiers } from './tiers.js';

/** The tiers for sale, and the entitlements of tenants. */
export interface TierServices {
  tiers: Tiers;
  entitlements: Entitlements;
  /** Logs tiers whose overage is not sold, and versions that subscriptions have and the catalogue lacks. */
  start(): Promise<void>;
}

export function createTierServices(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  catalogue: Catalogue;
  /** Stripe price id by tier name. */
  priceIds: Readonly<Record<string, string>>;
  /** Metered Stripe price of a tier's overage, by tier name; null: the catalogue alone says which tiers sell overage. */
  overagePriceIds: Readonly<Record<string, string>> | null;
  /** Days for which a tenant whose payment failed keeps its tier. */
  graceDays: number;
}): TierServices {
  const { models, clock, log, catalogue, priceIds, overagePriceIds, graceDays } = deps;
  const tiers = createTiers(catalogue, priceIds, overagePriceIds);
  return {
    tiers,
    entitlements: createEntitlements({ models, clock, tiers, graceDays }),
    async start() {
      for (const { name, overage } of tiers.all()) {
        if (!overage || tiers.getOverage(name)) continue;
        log.warn({ tier: name, unset: `STRIPE_PRICE_${name}_OVERAGE` }, 'tiers.overage_not_sold');
      }
      await warnOfMissingVersions({ models, tiers, log });
    },
  };
}

/** Logs how many subscriptions have a version that the catalogue lacks. They get the current version. */
async function warnOfMissingVersions(deps: { models: Models; tiers: Tiers; log: Logger }): Promise<void> {
  const { models, tiers, log } = deps;
  const lost = await models.billingSubscriptions.aggregate<{ _id: string; subscriptions: number }>([
    { $match: { status: { $nin: ENDED }, $or: tiers.all().map(lostOf) } },
    { $group: { _id: '$tier', subscriptions: { $sum: 1 } } },
  ]);
  for (const { _id: tier, subscriptions } of lost) {
    const { version } = tiers.get(tier);
    // An entry in the tier's `former` gives them their own version again.
    log.warn({ tier, subscriptions, version }, 'tiers.version_missing');
  }
}

function lostOf({ name, version, former }: TierDefinition) {
  const kept = [version, ...former.map((one) => one.version)];
  return { tier: name, tierVersion: { $nin: kept } };
}
