import { vi } from 'vitest';

/**
 * Waits for what happens by itself a moment later. The time is enough for a busy machine, on which vitest's own default of
 * one second is not.
 *
 * @param check throws until it is so
 * @returns what check returns then
 * @throws what check threw last, after 15 seconds
 */
export const soon = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: 15_000, interval: 20 });
