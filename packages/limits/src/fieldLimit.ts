import ms, { type StringValue } from 'ms';

/** A limit of one field's own: `@rateLimited(max, window)`. */
export interface FieldLimit {
  /** `Type.field` */
  field: string;
  max: number;
  /** As written in the directive, e.g. `10s`. */
  window: string;
}

const MAX_WINDOW_MS = 31 * 86_400_000;

/** @returns milliseconds, or null for a window that makes no sense: the limiter would switch itself off */
export function parseWindow(window: string): number | null {
  const windowMs = /^\s*\d/.test(window) ? ms(window as StringValue) : undefined;
  return windowMs !== undefined && windowMs >= 1 && windowMs <= MAX_WINDOW_MS ? windowMs : null;
}
