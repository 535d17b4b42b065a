import { randomUUID } from 'node:crypto';
import { type Concurrency, createConcurrency } from '@continuum-billing/limits/core';
import type { Redis } from '../../infrastructure/redis.js';

export interface RedisConcurrency extends Concurrency {
  stop(): void;
}

/** A dead instance's slots are free after so long: less than the 30 s that are promised. */
const LEASE_MS = 25_000;
const RENEWALS_PER_LEASE = 5;
const SLOTS_PER_COMMAND = 500;
/** Those past it come back when their leases end. */
const MAX_UNRELEASED = 10_000;

/** A tenant's slots are a sorted set, each under the instant at which its lease ends, by Redis's clock. */
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

/** KEYS: the tenant's slots for each slot. ARGV: the lease in ms, then each slot. Those that were lost are made anew. */
const RENEW = `${NOW}
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, now + ARGV[1], ARGV[i + 1])
  redis.call('PEXPIRE', key, ARGV[1])
end`;

/** KEYS: the tenant's slots for each slot. ARGV: each slot. */
const RELEASE = `for i, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[i]) end`;

/**
 * Exact across the instances on one Redis. What is under way here is counted in memory too: that refuses the clear
 * cases without asking, takes over while Redis is away, and is told to Redis again when it is back.
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
  /** What is under way here, by slot: the tenant's key. */
  const slots = new Map<string, string>();
  /** Ended here while Redis was away. It may have them: a command without an answer can have been carried out. */
  const unreleased = new Map<string, string>();
  let lastSlot = 0;

  // All at once, in order, before any other command: a slot given back later stays given back.
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
      // While Redis is away, what this instance counts decides alone.
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

/** The connection has logged it. */
function ignoreLoggedError(): void {}
