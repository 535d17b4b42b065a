import type { TierDefinition } from '../catalogue/catalogue.js';
import { notFound } from '../common/errors.js';
import type { TierType } from '../schema/tier.js';
import type { Context } from './context.js';
import { toTier } from './mappers.js';

/** @returns the tiers that a caller may know of: those for sale, its own, and for an operator all */
export async function visibleTiers({
  principal,
  services: { tiers },
  loaders,
}: Context): Promise<readonly TierDefinition[]> {
  const all = tiers.all();
  if (principal?.kind === 'operator' || tiers.listed().length === all.length) return all;
  const held = principal?.kind === 'tenant' ? (await loaders.entitlement(principal.tenantId)).tier : null;
  return tiers.listed(held);
}

/** @throws NOT_FOUND for a tier that the catalogue lacks, and for one that the caller may not know of */
export async function visibleTier(name: string, context: Context): Promise<TierType> {
  const { tiers } = context.services;
  const tier = (await visibleTiers(context)).find((one) => one.name === name);
  if (!tier) throw notFound(`Tier ${tiers.publicNameOf(name)}`);
  return toTier(tiers, tier);
}
