import { describeFailure } from '../../services/billing/stripe/stripeErrors.js';
import { within } from '../../services/infrastructure/within.js';

export type CheckStatus = 'ok' | 'warning' | 'error' | 'skipped';

export interface Finding {
  status: CheckStatus;
  /** What was found. */
  found: string;
  /** How to fix it; null if there is nothing to fix. */
  fix: string | null;
}

export interface Check extends Finding {
  /** `<area>.<what>`, stable for scripts. */
  name: string;
}

export const ok = (found: string): Finding => ({ status: 'ok', found, fix: null });
export const skipped = (found: string): Finding => ({ status: 'skipped', found, fix: null });
export const warning = (found: string, fix: string): Finding => ({ status: 'warning', found, fix });
export const failed = (found: string, fix: string): Finding => ({ status: 'error', found, fix });

/** @returns `ok` if nothing is wrong, else one error with all problems */
export const verdict = (good: string, problems: readonly string[], fix: string): Finding =>
  problems.length === 0 ? ok(good) : failed(problems.join('; '), fix);

const CHECK_MS = 10_000;

/** Runs a check within 10 s. Whatever it throws is its finding, so that it stops no other check. */
export async function check(name: string, fix: string, run: () => Promise<Finding>): Promise<Check> {
  try {
    return { name, ...(await within(CHECK_MS, run())) };
  } catch (error) {
    return { name, ...failed(describeFailure(error), fix) };
  }
}
