import { type FieldLimit, parseWindow } from '@continuum-billing/limits/core';
import { getGraphQLRateLimiter, Store } from 'graphql-rate-limit';
import type { CallWindows } from './callWindows.js';

export interface FieldLimits {
  /**
   * Counts the calls to the field (default: one) if the sliding window has room for all of them.
   * @returns null if it had; otherwise how many it has room for, and when it has room for all
   */
  take(tenantId: string, limit: FieldLimit, calls?: number): Promise<FullWindow | null>;
  /** Returns calls that were counted but not made. */
  returnCalls(tenantId: string, limit: FieldLimit, calls: number): Promise<void>;
}

export interface FullWindow {
  remaining: number;
  /** When enough calls have left the window; null if it can never have room for so many at once. */
  resetsAt: Date | null;
}

/**
 * Field limits through graphql-rate-limit. Its own stores read, decide and write in three steps, so concurrent calls all
 * pass. This store adds the calls in the read step, and its write step does nothing.
 */
export function createFieldLimits({ windows }: { windows: CallWindows }): FieldLimits {
  return {
    returnCalls: (tenantId, { field }, calls) => windows.remove(idOf(tenantId, field), calls),

    async take(tenantId, { field, max, window }, calls = 1) {
      const windowMs = parseWindow(window) ?? 0;
      const store = new AddingStore(() => windows.add(idOf(tenantId, field), max, windowMs, calls), calls);
      const limiter = getGraphQLRateLimiter({ identifyContext: () => tenantId, store });
      const rejection = await limiter(
        { parent: null, args: {}, context: {}, info: { fieldName: field } as never },
        { max, window },
      );
      if (rejection === undefined) return null;
      const { before } = store;
      const lastToLeave = before[before.length + calls - max - 1];
      const resetsAt = lastToLeave === undefined ? null : new Date(lastToLeave + windowMs);
      return { remaining: max - before.length, resetsAt };
    },
  };
}

const idOf = (tenantId: string, field: string) => `${tenantId}:${field}`;

/** A store for the calls of one operation to one field. */
class AddingStore extends Store {
  /** The times of the calls that were in the window before. */
  before: number[] = [];

  constructor(
    private readonly add: () => Promise<number[]>,
    private readonly calls: number,
  ) {
    super();
  }

  async getForIdentity(): Promise<number[]> {
    this.before = await this.add();
    // The limiter counts one call more than these, and filters the window again with a later time: a call that has
    // left it since would admit a call that was not added. Infinite times never leave.
    return Array.from({ length: this.before.length + this.calls - 1 }, () => Number.POSITIVE_INFINITY);
  }

  setForIdentity(): void {
    // getForIdentity has added the calls already.
  }
}
