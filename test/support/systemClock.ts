import type { Clock } from '../../src/clock.js';

export const systemClock: Clock = { now: () => Date.now() };
