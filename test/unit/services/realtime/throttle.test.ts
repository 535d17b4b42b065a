import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createThrottle, type Throttle } from '../../../../src/services/realtime/throttle.js';

const TICK_MS = 50;
const flushed: { at: number; names: string[] }[] = [];
let throttle: Throttle;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
  flushed.length = 0;
  const startedAt = performance.now();
  throttle = createThrottle({
    intervalMs: 1_000,
    tickMs: TICK_MS,
    flush: (names) => flushed.push({ at: performance.now() - startedAt, names }),
  });
});
afterEach(() => {
  throttle.stop();
  vi.useRealTimers();
});

const timesOf = (name: string) => flushed.filter(({ names }) => names.includes(name)).map(({ at }) => at);

it('a first change is flushed at once, with the others of the same moment', () => {
  throttle.mark('a');
  throttle.mark('b');
  vi.advanceTimersByTime(TICK_MS);
  expect(flushed).toEqual([{ at: TICK_MS, names: ['a', 'b'] }]);
});

it('changes all the time are flushed once a second, the last one too', () => {
  for (let i = 0; i < 250; i++) {
    throttle.mark('a');
    vi.advanceTimersByTime(10);
  }
  // The last change came after 2.49 s.
  vi.advanceTimersByTime(5_000);
  const times = timesOf('a');
  expect(times).toEqual([50, 1_050, 2_050, 3_050]);
});

it('a name does not delay another', () => {
  throttle.mark('a');
  vi.advanceTimersByTime(500);
  throttle.mark('a');
  throttle.mark('b');
  vi.advanceTimersByTime(5_000);
  expect(timesOf('a')).toEqual([50, 1_050]);
  expect(timesOf('b')).toEqual([550]);
});

it('after a quiet second the next change is flushed at once', () => {
  throttle.mark('a');
  vi.advanceTimersByTime(3_000);
  throttle.mark('a');
  vi.advanceTimersByTime(TICK_MS);
  expect(timesOf('a')).toEqual([50, 3_050]);
});

it('what is forgotten is not flushed, and nothing runs while nothing is marked', () => {
  throttle.mark('a');
  throttle.forget('a');
  vi.advanceTimersByTime(5_000);
  expect(flushed).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
