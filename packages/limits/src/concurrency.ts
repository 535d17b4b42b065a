/** Counts the operations that each tenant has under way. */
export interface Concurrency {
  /** @returns what ends the operation (once; later calls do nothing), or null when the tenant has `limit` under way */
  begin(tenantId: string, limit: number): Promise<(() => void) | null>;
}

/** Exact on this instance. */
export function createConcurrency(): Concurrency {
  const underWay = new Map<string, number>();
  return {
    async begin(tenantId, limit) {
      const count = underWay.get(tenantId) ?? 0;
      if (count >= limit) return null;
      underWay.set(tenantId, count + 1);
      let ended = false;
      return () => {
        if (ended) return;
        ended = true;
        const left = (underWay.get(tenantId) ?? 1) - 1;
        if (left === 0) underWay.delete(tenantId);
        else underWay.set(tenantId, left);
      };
    },
  };
}
