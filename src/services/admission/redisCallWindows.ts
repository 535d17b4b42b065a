import { type Redis, RedisAway } from '../redis.js';
import type { CallWindows } from './callWindows.js';

/** KEYS: the window, a list of instants by Redis's clock. ARGV: max, the window in ms. The list as it was before. */
const ADD = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = redis.call('LINDEX', KEYS[1], 0)
while oldest and tonumber(oldest) <= now - ARGV[2] do
  redis.call('LPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], 0)
end
local before = redis.call('LRANGE', KEYS[1], 0, -1)
if #before < tonumber(ARGV[1]) then
  redis.call('RPUSH', KEYS[1], now)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return before`;

/** In Redis, by its clock; while it is away, in `fallback`, whose windows begin empty. */
export function createRedisCallWindows({
  redis,
  fallback,
}: {
  redis: Redis;
  fallback: CallWindows;
}): CallWindows {
  return {
    async add(id, max, windowMs) {
      try {
        const before = await redis.run(ADD, [`continuum:window:${id}`], [max, windowMs]);
        return (before as string[]).map(Number);
      } catch (error) {
        if (error instanceof RedisAway) return fallback.add(id, max, windowMs);
        throw error;
      }
    },
  };
}
