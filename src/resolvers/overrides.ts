import type { TierLimitsInput } from '../schema/tenant.js';
import type { LimitOverrides } from '../services/tiers/catalogue.js';
import { needResources } from './resources.js';

/**
 * A contract's limits, as services know them.
 * @param resources of the catalogue
 * @throws BAD_USER_INPUT for a resource that it does not have, or that is named twice
 */
export function overridesOf(
  { stored, ...limits }: TierLimitsInput,
  resources: readonly string[],
): LimitOverrides {
  if (!stored) return { ...limits, ...(stored === null && { stored }) };
  needResources('input.limits.stored', stored, resources);
  return { ...limits, stored: Object.fromEntries(stored.map(({ resource, limit }) => [resource, limit])) };
}
