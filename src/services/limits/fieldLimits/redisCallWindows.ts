import { type Redis, RedisUnavailable } from '../../infrastructure/redis.js';
import type { CallWindows } from './callWindows.js';

/** KEYS: the window, a list of instants by Redis's clock. ARGV: max, the window in ms, how many calls. The list as it was before. */
const ADD = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = redis.call('LINDEX', KEYS[1], 0)
while oldest and tonumber(oldest) <= now - ARGV[2] do
  redis.call('LPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], 0)
end
local before = redis.call('LRANGE', KEYS[1], 0, -1)
if #before + ARGV[3] <= tonumber(ARGV[1]) then
  for _ = 1, ARGV[3] do redis.call('RPUSH', KEYS[1], now) end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return before`;

/** KEYS: the window. ARGV: how many calls. */
const DROP = `
for _ = 1, ARGV[1] do redis.call('RPOP', KEYS[1]) end`;

/** Windows in Redis, by its clock. While it is unreachable, `fallback` is used, whose windows start empty. */
export function createRedisCallWindows({
  redis,
  fallback,
}: {
  redis: Redis;
  fallback: CallWindows;
}): CallWindows {
  return {
    async add(id, max, windowMs, calls) {
      try {
        const before = await redis.run(ADD, [keyOf(id)], [max, windowMs, calls]);
        return (before as string[]).map(Number);
      } catch (error) {
        if (error instanceof RedisUnavailable) return fallback.add(id, max, windowMs, calls);
        throw error;
      }
    },

    async remove(id, calls) {
      try {
        await redis.run(DROP, [keyOf(id)], [calls]);
      } catch (error) {
        if (error instanceof RedisUnavailable) return fallback.remove(id, calls);
        throw error;
      }
    },
  };
}

const keyOf = (id: string) => `continuum:window:${id}`;
