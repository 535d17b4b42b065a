import { getGraphQLRateLimiter, Store } from 'graphql-rate-limit';
import ms, { type StringValue } from 'ms';
import type { Clock } from '../../clock.js';
import type { Models } from '../../models/models.js';

/** A limit of one field's own: `@rateLimited(max, window)`. */
export interface FieldLimit {
  /** `Type.field` */
  field: string;
  max: number;
  /** As written in the directive, e.g. `10s`. */
  window: string;
}

export interface FieldLimits {
  /**
   * Counts a call to the field if it has room in the sliding window.
   * @returns null when it had; otherwise when the oldest counted call leaves the window
   */
  take(tenantId: string, limit: FieldLimit): Promise<{ resetsAt: Date } | null>;
}

const MAX_WINDOW_MS = 31 * 86_400_000;

/** @returns milliseconds, or null for a window that makes no sense: the limiter would switch itself off */
export function parseWindow(window: string): number | null {
  const windowMs = /^\s*\d/.test(window) ? ms(window as StringValue) : undefined;
  return windowMs !== undefined && windowMs >= 1 && windowMs <= MAX_WINDOW_MS ? windowMs : null;
}

/**
 * Field limits through graphql-rate-limit. Its stores read, decide and write in three steps, so that many at once all
 * pass; this store appends in one atomic step and answers with the list as it was before, and has nothing left to set.
 */
export function createFieldLimits({ models, clock }: { models: Models; clock: Clock }): FieldLimits {
  const limiters = new Map<
    string,
    { limiter: ReturnType<typeof getGraphQLRateLimiter>; store: WindowStore }
  >();

  function limiterOf({ field, max, window }: FieldLimit) {
    let known = limiters.get(field);
    if (!known) {
      const store = new WindowStore(models, clock, max, parseWindow(window) ?? 0);
      const limiter = getGraphQLRateLimiter({ identifyContext: (context) => context.tenantId, store });
      known = { limiter, store };
      limiters.set(field, known);
    }
    return known;
  }

  return {
    async take(tenantId, limit) {
      const { limiter, store } = limiterOf(limit);
      const refusal = await limiter(
        { parent: null, args: {}, context: { tenantId }, info: { fieldName: limit.field } as never },
        { max: limit.max, window: limit.window },
      );
      return refusal === undefined ? null : { resetsAt: await store.nextRoom(tenantId, limit.field) };
    },
  };
}

interface Identity {
  contextIdentity: string;
  fieldIdentity: string;
}

class WindowStore extends Store {
  constructor(
    private readonly models: Models,
    private readonly clock: Clock,
    private readonly max: number,
    private readonly windowMs: number,
  ) {
    super();
  }

  /** Appends this call if there is room, and returns the calls of the window as they were before. */
  async getForIdentity({ contextIdentity, fieldIdentity }: Identity): Promise<number[]> {
    const now = this.clock.now();
    const recent = {
      $filter: { input: { $ifNull: ['$calls', []] }, as: 'at', cond: { $gt: ['$$at', now - this.windowMs] } },
    };
    const before = await this.models.fieldWindows.collection.findOneAndUpdate(
      { _id: `${contextIdentity}:${fieldIdentity}` as never },
      [
        { $set: { calls: recent } },
        {
          $set: {
            calls: {
              $cond: [
                { $lt: [{ $size: '$calls' }, this.max] },
                { $concatArrays: ['$calls', [now]] },
                '$calls',
              ],
            },
            expiresAt: new Date(now + this.windowMs),
          },
        },
      ],
      { upsert: true, returnDocument: 'before' },
    );
    const calls = (before?.calls ?? []) as number[];
    return calls.filter((at) => at > now - this.windowMs);
  }

  setForIdentity(): void {
    // getForIdentity has appended already.
  }

  async nextRoom(tenantId: string, field: string): Promise<Date> {
    const window = await this.models.fieldWindows.findById(`${tenantId}:${field}`).lean();
    const oldest = window?.calls[0] ?? this.clock.now();
    return new Date(oldest + this.windowMs);
  }
}
