import { type FieldLimit, parseWindow } from '@continuum-billing/limits/core';
import { getGraphQLRateLimiter, Store } from 'graphql-rate-limit';
import type { CallWindows } from './callWindows.js';

export interface FieldLimits {
  /**
   * Counts so many calls to the field if the sliding window has room for all of them. Default: one.
   * @returns null when it had; otherwise for how many it has, and when it has for more
   */
  take(tenantId: string, limit: FieldLimit, calls?: number): Promise<FullWindow | null>;
  /** Takes back calls that were counted and not made. */
  returnCalls(tenantId: string, limit: FieldLimit, calls: number): Promise<void>;
}

export interface FullWindow {
  remaining: number;
  /** When enough calls have left it; null: it never has room for so many at once. */
  resetsAt: Date | null;
}

/**
 * Field limits through graphql-rate-limit. Its stores read, decide and write in three steps, so that many at once all
 * pass; ours adds the calls in the reading step, and has nothing left to set.
 */
export function createFieldLimits({ windows }: { windows: CallWindows }): FieldLimits {
  return {
    returnCalls: (tenantId, { field }, calls) => windows.remove(idOf(tenantId, field), calls),

    async take(tenantId, { field, max, window }, calls = 1) {
      const windowMs = parseWindow(window) ?? 0;
      const store = new AddingStore(() => windows.add(idOf(tenantId, field), max, windowMs, calls), calls);
      const limiter = getGraphQLRateLimiter({ identifyContext: () => tenantId, store });
      const refusal = await limiter(
        { parent: null, args: {}, context: {}, info: { fieldName: field } as never },
        { max, window },
      );
      if (refusal === undefined) return null;
      const { before } = store;
      const lastToLeave = before[before.length + calls - max - 1];
      const resetsAt = lastToLeave === undefined ? null : new Date(lastToLeave + windowMs);
      return { remaining: max - before.length, resetsAt };
    },
  };
}

const idOf = (tenantId: string, field: string) => `${tenantId}:${field}`;

/** Serves the calls of one operation to one field. */
class AddingStore extends Store {
  /** The calls of the window, as they were. */
  before: number[] = [];

  constructor(
    private readonly add: () => Promise<number[]>,
    private readonly calls: number,
  ) {
    super();
  }

  async getForIdentity(): Promise<number[]> {
    this.before = await this.add();
    // The limiter counts one call more than these. It looks at the window again, by a later clock: a call that has left
    // it since would let one through that was not added. So none leaves.
    return Array.from({ length: this.before.length + this.calls - 1 }, () => Number.POSITIVE_INFINITY);
  }

  setForIdentity(): void {
    // getForIdentity has added the calls already.
  }
}
