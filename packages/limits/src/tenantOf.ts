import type { GraphQLResolveInfo } from 'graphql';
import { enforcedOf } from './enforceLimits.js';

/**
 * The tenant of the running operation, for resolvers. With `identify`, null only if it named no tenant that the limits could
 * find. Otherwise also null if no limit applies to the operation, because nobody looked at its key then.
 */
export function tenantOf(
  context: object,
  { schema }: Pick<GraphQLResolveInfo, 'schema'>,
): { id: string; tier: string } | null {
  const admitted = enforcedOf(schema).admittedOf(context);
  return admitted?.tenantId == null || admitted.tier === null
    ? null
    : { id: admitted.tenantId, tier: admitted.tier };
}
