import { getGraphQLRateLimiter, Store } from 'graphql-rate-limit';
import type { CallWindows } from './callWindows.js';
import { type FieldLimit, parseWindow } from './fieldLimit.js';

export interface FieldLimits {
  /**
   * Counts a call to the field if it has room in the sliding window.
   * @returns null when it had; otherwise when the oldest counted call leaves the window
   */
  take(tenantId: string, limit: FieldLimit): Promise<{ resetsAt: Date } | null>;
}

/**
 * Field limits through graphql-rate-limit. Its stores read, decide and write in three steps, so that many at once all
 * pass; ours adds the call in the reading step, and has nothing left to set.
 */
export function createFieldLimits({ windows }: { windows: CallWindows }): FieldLimits {
  return {
    async take(tenantId, { field, max, window }) {
      const windowMs = parseWindow(window) ?? 0;
      const store = new AddingStore(() => windows.add(`${tenantId}:${field}`, max, windowMs));
      const limiter = getGraphQLRateLimiter({ identifyContext: () => tenantId, store });
      const refusal = await limiter(
        { parent: null, args: {}, context: {}, info: { fieldName: field } as never },
        { max, window },
      );
      return refusal === undefined ? null : { resetsAt: new Date((store.oldest ?? 0) + windowMs) };
    },
  };
}

/** Serves one call. */
class AddingStore extends Store {
  /** The oldest call of the window. */
  oldest: number | undefined;

  constructor(private readonly add: () => Promise<number[]>) {
    super();
  }

  async getForIdentity(): Promise<number[]> {
    const before = await this.add();
    this.oldest = before[0];
    // The limiter looks at the window again, by a later clock: a call that has left it since would let one through
    // that was not added. So none leaves.
    return before.map(() => Number.POSITIVE_INFINITY);
  }

  setForIdentity(): void {
    // getForIdentity has added the call already.
  }
}
