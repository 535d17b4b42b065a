import { badInput } from './errors.js';

/** How deeply a JSON object may be nested. */
export const MAX_JSON_DEPTH = 100;
/** Leaves room for the lists and input types around a JSON object. */
const MAX_DEPTH = MAX_JSON_DEPTH + 10;
/** Characters of a key that the path of an error shows. */
const MAX_SHOWN = 50;

/** What is wrong with a value, and its path: names and indexes, from the outside in. */
export interface ValueProblem {
  path: string[];
  problem: string;
}

/**
 * Finds values that MongoDB, Stripe or JSON cannot represent as they were sent: they would change them, drop them or fail.
 * The walk stops at the permitted depth, so that it cannot overflow the stack.
 * @param value a part of a request: scalars, lists, objects and dates
 * @returns null for a valid value
 */
export function valueProblem(value: unknown, maxDepth = MAX_DEPTH): ValueProblem | null {
  const problem = scalarProblem(value);
  if (problem !== null) return { path: [], problem };
  if (value === null || typeof value !== 'object') return null;
  if (maxDepth === 0) return { path: [], problem: 'is nested too deeply' };
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const inner = valueProblem(value[i], maxDepth - 1);
      if (inner) return { path: [String(i), ...inner.path], problem: inner.problem };
    }
    return null;
  }
  for (const key of Object.keys(value)) {
    const wrong = keyProblem(key);
    if (wrong) return { path: [], problem: wrong };
    const inner = valueProblem((value as Record<string, unknown>)[key], maxDepth - 1);
    if (inner) return { path: [key.slice(0, MAX_SHOWN), ...inner.path], problem: inner.problem };
  }
  return null;
}

/**
 * @param argument the name of the value
 * @throws BAD_USER_INPUT
 */
export function needGoodValue(argument: string, value: unknown): void {
  const wrong = valueProblem(value);
  if (wrong) throw badInput([argument, ...wrong.path].join('.'), wrong.problem);
}

function scalarProblem(value: unknown): string | null {
  if (typeof value === 'string') return textProblem(value);
  return typeof value === 'number' && !Number.isFinite(value) ? 'must be a finite number' : null;
}

function textProblem(text: string): string | null {
  if (text.includes('\0')) return 'must not have the character NUL (U+0000)';
  return text.isWellFormed() ? null : 'must not have a lone surrogate, which is half a character';
}

/** Keys with such characters are rejected without showing them. */
function keyProblem(key: string): string | null {
  if (key === '__proto__') return 'must not have the key "__proto__"';
  const problem = textProblem(key);
  return problem === null ? null : `has a key that ${problem}`;
}
