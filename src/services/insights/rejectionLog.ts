import type { Models } from '../../models/models.js';
import type { RejectionDoc } from '../../models/rejection.js';

export type { RejectionDoc };

export interface RejectionPage {
  rejections: RejectionDoc[];
  hasNextPage: boolean;
}

/** What the limits rejected of a tenant in the last 30 days, by minute. */
export interface RejectionLog {
  /** Newest minute first. @param after the key of the last one seen */
  page(tenantId: string, query: { first: number; after: string | null }): Promise<RejectionPage>;
}

export const rejectionKeyOf = ({ _id }: RejectionDoc): string => _id.slice(_id.indexOf(':') + 1);

export const countOf = ({ by }: RejectionDoc): number =>
  Object.values(by).reduce((sum, count) => sum + count, 0);

export function createRejectionLog({ models }: { models: Models }): RejectionLog {
  return {
    async page(tenantId, { first, after }) {
      const found = await models.rejections
        .find({ _id: { $gt: `${tenantId}:`, $lt: after === null ? `${tenantId};` : `${tenantId}:${after}` } })
        .sort({ _id: -1 })
        .limit(first + 1)
        .lean<RejectionDoc[]>();
      return { rejections: found.slice(0, first), hasNextPage: found.length > first };
    },
  };
}
