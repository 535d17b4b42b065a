import { randomUUID } from 'node:crypto';
import { type Concurrency, createConcurrency } from '@continuum-billing/limits/core';
import type { Redis } from '../../infrastructure/redis.js';

export interface RedisConcurrency extends Concurrency {
  stop(): void;
}

/** After this time the slots of a dead instance are free: less than the 30 s that are documented. */
const LEASE_MS = 25_000;
const RENEWALS_PER_LEASE = 5;
const SLOTS_PER_COMMAND = 500;
/** Further slots become free when their leases expire. */
const MAX_UNRELEASED = 10_000;

/** A tenant's slots are a sorted set, scored by the end of their leases on Redis's clock. */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/** KEYS: the tenant's slots. ARGV: the slot, the limit, the lease in ms. 1 if there was room. */
const TAKE = `${NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`;

/** KEYS: the tenant's slots for each slot. ARGV: the lease in ms, then each slot. Lost ones are created again. */
const RENEW = `${NOW}
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, now + ARGV[1], ARGV[i + 1])
  redis.call('PEXPIRE', key, ARGV[1])
end`;

/** KEYS: the tenant's slots for each slot. ARGV: each slot. */
const RELEASE = `for i, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[i]) end`;

/**
 * Exact across all instances on one Redis. Operations of this instance are also counted in memory: that count rejects
 * clear cases without a request, decides alone while Redis is unreachable, and is sent to Redis when it is back.
 */
export function createRedisConcurrency({
  redis,
  leaseMs = LEASE_MS,
}: {
  redis: Redis;
  leaseMs?: number;
}): RedisConcurrency {
  const here = createConcurrency();
  const instance = randomUUID().slice(0, 8);
  /** The running operations of this instance: the tenant's key by slot. */
  const slots = new Map<string, string>();
  /** Slots whose release failed. Redis may still have them, since a command without an answer may have run. */
  const unreleased = new Map<string, string>();
  let lastSlot = 0;

  // Sent at once and in order, before any other command, so that a slot released later stays released.
  function renew(): void {
    for (const some of inParts(slots)) {
      redis.run(RENEW, keysOf(some), [leaseMs, ...slotsOf(some)]).catch(ignoreLoggedError);
    }
  }

  function release(ended: Slots): void {
    redis.run(RELEASE, keysOf(ended), slotsOf(ended)).catch(() => {
      for (const [slot, key] of ended) if (unreleased.size < MAX_UNRELEASED) unreleased.set(slot, key);
    });
  }

  redis.onConnected(() => {
    const parts = inParts(unreleased);
    unreleased.clear();
    parts.forEach(release);
    renew();
  });
  const renewing = setInterval(renew, leaseMs / RENEWALS_PER_LEASE).unref();

  return {
    async begin(tenantId, limit) {
      const endHere = await here.begin(tenantId, limit);
      if (!endHere) return null;
      const key = `continuum:slots:${tenantId}`;
      const slot = `${instance}:${++lastSlot}`;
      // While Redis is unreachable, the count of this instance decides alone.
      const taken = await redis.run(TAKE, [key], [slot, limit, leaseMs]).catch(() => 1);
      if (taken !== 1) {
        endHere();
        return null;
      }
      slots.set(slot, key);
      return () => {
        if (!slots.delete(slot)) return;
        endHere();
        release([[slot, key]]);
      };
    },
    stop: () => clearInterval(renewing),
  };
}

type Slots = (readonly [slot: string, key: string])[];

const slotsOf = (some: Slots) => some.map(([slot]) => slot);
const keysOf = (some: Slots) => some.map(([, key]) => key);

function inParts(slots: ReadonlyMap<string, string>): Slots[] {
  const all = [...slots];
  const starts = Array.from(
    { length: Math.ceil(all.length / SLOTS_PER_COMMAND) },
    (_, i) => i * SLOTS_PER_COMMAND,
  );
  return starts.map((start) => all.slice(start, start + SLOTS_PER_COMMAND));
}

/** The connection logs its errors. */
function ignoreLoggedError(): void {}
