import type { Logger } from 'pino';
import type { Catalogue } from '../../catalogue/catalogue.js';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import { type CatalogueGuard, createCatalogueGuard } from './catalogueGuard.js';
import { createEntitlements, type Entitlements } from './entitlements.js';
import { createServerInstances, ServerInstanceKind, type ServerInstances } from './serverInstances.js';
import { createTiers, type Tiers } from './tiers.js';

/** The tiers for sale, and the entitlements of tenants. */
export interface TierServices {
  tiers: Tiers;
  entitlements: Entitlements;
  serverInstances: ServerInstances;
  /** @throws Error that lists what tenants have and the catalogue lacks */
  checkCatalogue: CatalogueGuard['check'];
  /** Checks the catalogue, records it, and logs tiers whose overage is not sold. @throws like `checkCatalogue` */
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
  /** Default: a billing server. */
  instanceKind?: ServerInstanceKind;
}): TierServices {
  const { models, clock, log, catalogue, priceIds, overagePriceIds, graceDays } = deps;
  const { instanceKind = ServerInstanceKind.SERVER } = deps;
  const tiers = createTiers(catalogue, priceIds, overagePriceIds);
  const guard = createCatalogueGuard({ models, clock, catalogue, log });
  return {
    tiers,
    entitlements: createEntitlements({ models, clock, tiers, graceDays }),
    serverInstances: createServerInstances({ models, clock, catalogue, kind: instanceKind, log }),
    checkCatalogue: guard.check,
    async start() {
      await guard.check();
      await guard.record();
      for (const { name, overage } of tiers.all()) {
        if (!overage || tiers.getOverage(name)) continue;
        log.warn({ tier: name, unset: `STRIPE_PRICE_${name}_OVERAGE` }, 'tiers.overage_not_sold');
      }
    },
  };
}
