import type { GraphQLResolveInfo } from 'graphql';
import { enforcedOf } from './enforceLimits.js';

/** Whose operation runs, for resolvers; null: it asks nothing of any limit, so nobody was asked who calls. */
export function tenantOf(
  context: object,
  { schema }: Pick<GraphQLResolveInfo, 'schema'>,
): { id: string; tier: string } | null {
  const admitted = enforcedOf(schema).admittedOf(context);
  return admitted?.tenantId == null || admitted.tier === null
    ? null
    : { id: admitted.tenantId, tier: admitted.tier };
}
