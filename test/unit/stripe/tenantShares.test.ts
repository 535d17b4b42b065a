import { expect, it, vi } from 'vitest';
import {
  createTenantShares,
  MAX_AT_ONCE,
  MAX_WAITING,
} from '../../../src/services/billing/stripe/tenantShares.js';

const tooMany = expect.objectContaining({ code: 'SERVICE_UNAVAILABLE', headers: { 'retry-after': '2' } });

it("a tenant's requests begin up to its share, the next when one ends, and never cost another tenant's", async () => {
  const shares = createTenantShares();
  const ends = await Promise.all(Array.from({ length: MAX_AT_ONCE }, () => shares.begin('ten_a')));
  let hasBegun = false;
  const next = shares.begin('ten_a').then((end) => {
    hasBegun = true;
    return end;
  });
  await (await shares.begin('ten_b'))();
  expect(hasBegun).toBe(false);
  ends[0]?.();
  (await next)();
  for (const end of ends.slice(1)) end();
  (await shares.begin('ten_a'))();
});

it('more than a few dozen that wait are rejected at once, and the others after 5 s', async () => {
  vi.useFakeTimers();
  try {
    const shares = createTenantShares();
    for (let i = 0; i < MAX_AT_ONCE; i++) await shares.begin('ten_a');
    const waiting = Array.from({ length: MAX_WAITING }, () => shares.begin('ten_a'));
    await expect(shares.begin('ten_a')).rejects.toEqual(tooMany);
    const settled = Promise.allSettled(waiting);
    await vi.advanceTimersByTimeAsync(5_000);
    expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
    // Those that gave up hold no place.
    const later = shares.begin('ten_a').catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await later).toEqual(tooMany);
  } finally {
    vi.useRealTimers();
  }
});
