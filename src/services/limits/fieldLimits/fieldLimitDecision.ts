import { type FieldLimit } from '@continuum-billing/limits/core';
import { amountText } from '../../../common/amounts.js';
import type { Clock } from '../../../common/clock.js';
import { type BillingError, rateLimited } from '../../../common/errors.js';
import { groupBy } from '../../../common/groups.js';
import type { FieldLimits, FullWindow } from './fieldLimits.js';

/** Applies the limits of single fields, to all fields of an operation at once. */
export interface FieldLimitDecision {
  /**
   * Counts all calls or none. Each entry is one call.
   * @param id the owner of the windows: a tenant or the operator
   * @param details added to the error's extensions
   * @returns the error with which the operation is rejected, or null
   */
  take(
    id: string,
    wanted: readonly FieldLimit[],
    details: { tier?: string; upgradeUrl?: string },
  ): Promise<BillingError | null>;
}

export function createFieldLimitDecision(deps: {
  fieldLimits: FieldLimits;
  clock: Clock;
}): FieldLimitDecision {
  const { fieldLimits, clock } = deps;

  function rejection(
    { field, max, window }: FieldLimit,
    { remaining, resetsAt }: FullWindow,
    requested: number,
    details: object,
  ) {
    const at = resetsAt ?? new Date(clock.now());
    const hint = resetsAt
      ? `There is room again at ${at.toISOString()}`
      : 'One operation selects more than that: split it';
    return rateLimited(
      `Rate limit exceeded (${amountText(max, 'calls')} of ${field} in ${window}; this operation makes ${requested}). ${hint}`,
      { limit: max, window, field, remaining, requested, resetsAt: at, ...details },
      (at.getTime() - clock.now()) / 1000,
    );
  }

  return {
    async take(id, wanted, details) {
      const taken: { limit: FieldLimit; calls: number }[] = [];
      const returnTaken = () =>
        Promise.all(taken.map(({ limit, calls }) => fieldLimits.returnCalls(id, limit, calls)));
      for (const [limit, ...others] of groupBy(wanted, ({ field }) => field).values()) {
        const calls = others.length + 1;
        try {
          const fullWindow = await fieldLimits.take(id, limit, calls);
          if (fullWindow) {
            await returnTaken();
            return rejection(limit, fullWindow, calls, details);
          }
          taken.push({ limit, calls });
        } catch (error) {
          returnTaken().catch(() => undefined);
          throw error;
        }
      }
      return null;
    },
  };
}
