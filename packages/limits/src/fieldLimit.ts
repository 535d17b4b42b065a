import ms, { type StringValue } from 'ms';

/** A field's own limit, from `@rateLimited(max, window)`. */
export interface FieldLimit {
  /** `Type.field` */
  field: string;
  max: number;
  /** As written in the directive, e.g. `10s`. */
  window: string;
}

const MAX_WINDOW_MS = 31 * 86_400_000;

/** @returns milliseconds, or null for an invalid window, with which graphql-rate-limit would not limit at all */
export function parseWindow(window: string): number | null {
  const windowMs = /^\s*\d/.test(window) ? ms(window as StringValue) : undefined;
  return windowMs !== undefined && windowMs >= 1 && windowMs <= MAX_WINDOW_MS ? windowMs : null;
}
