import type { GraphQLResolveInfo } from 'graphql';
import { enforcedOf } from './enforceLimits.js';

/** Whose operation runs, for resolvers; null: it asks nothing of any limit, so nobody was asked who calls. */
export function tenantOf(
  context: object,
  { schema }: Pick<GraphQLResolveInfo, 'schema'>,
): { id: string; tier: string } | null {
  const passage = enforcedOf(schema).passageOf(context);
  return passage?.tenantId == null || passage.tier === null
    ? null
    : { id: passage.tenantId, tier: passage.tier };
}
