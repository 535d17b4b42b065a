import type { Clock } from '../../src/common/clock.js';

export const systemClock: Clock = { now: () => Date.now() };
