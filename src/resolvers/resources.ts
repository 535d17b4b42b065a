import type { LimitOverrides } from '../catalogue/catalogue.js';
import { badInput } from '../common/errors.js';
import type { TierLimitsInput } from '../schema/tenant.js';

/** @throws BAD_USER_INPUT for an unknown resource */
export function needResource(argument: string, resource: string, known: readonly string[]): void {
  if (known.includes(resource)) return;
  const nothing = 'names a resource, but the catalogue has none';
  throw badInput(argument, known.length > 0 ? `must be one of ${known.join(', ')}` : nothing);
}

/** @throws BAD_USER_INPUT for an unknown resource, or one that is listed twice */
export function needResources(
  argument: string,
  items: readonly { resource: string }[],
  known: readonly string[],
): void {
  for (const [i, { resource }] of items.entries()) needResource(`${argument}.${i}.resource`, resource, known);
  needOnce(
    argument,
    items.map(({ resource }) => resource),
  );
}

/** @throws BAD_USER_INPUT for a name that is listed twice */
export function needOnce(argument: string, names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw badInput(argument, `names ${twice} twice`);
}

/**
 * Converts the limits of a contract from the input type to the form that the services use.
 * @param resources the resources of the catalogue
 * @throws BAD_USER_INPUT for a resource that the catalogue lacks or that is listed twice
 */
export function overridesOf(
  { stored, ...limits }: TierLimitsInput,
  resources: readonly string[],
): LimitOverrides {
  if (!stored) return { ...limits, ...(stored === null && { stored }) };
  needResources('input.limits.stored', stored, resources);
  return { ...limits, stored: Object.fromEntries(stored.map(({ resource, limit }) => [resource, limit])) };
}
