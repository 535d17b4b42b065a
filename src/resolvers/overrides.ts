import { badInput } from '../errors.js';
import type { TierLimitsInput } from '../schema/tenant.js';
import type { LimitOverrides } from '../services/tiers/catalogue.js';

/**
 * A contract's limits, as services know them.
 * @param resources of the catalogue
 * @throws BAD_USER_INPUT for a resource that it does not have
 */
export function overridesOf(
  { stored, ...limits }: TierLimitsInput,
  resources: readonly string[],
): LimitOverrides {
  if (!stored) return { ...limits, ...(stored === null && { stored }) };
  for (const [i, { resource }] of stored.entries()) {
    if (!resources.includes(resource)) {
      const known =
        resources.length > 0
          ? `is none of ${resources.join(', ')}`
          : 'is none: the catalogue has no resources';
      throw badInput(`input.limits.stored.${i}.resource`, known);
    }
  }
  return { ...limits, stored: Object.fromEntries(stored.map(({ resource, limit }) => [resource, limit])) };
}
