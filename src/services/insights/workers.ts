import type { Clock } from '../../common/clock.js';
import type { LeaseDoc } from '../../models/lease.js';
import type { Models } from '../../models/models.js';

/** Periodic work that one instance at a time does. */
export interface Worker {
  name: string;
  /** When an instance last began or went on with it; null: never. */
  lastRunAt: Date | null;
  everySeconds: number;
  isLate: boolean;
}

const HOUR_S = 3_600;

/** By the name of the lease: how often it is renewed. */
const EVERY_S: Readonly<Record<string, number>> = {
  'outgoing webhooks': 2,
  erasures: 5,
  'tenant count': 10,
  'usage reports': 60,
  reconcile: 6 * HOUR_S,
  'history expiry': 24 * HOUR_S,
  'audit retention': HOUR_S,
};
/** A run that takes long renews its lease at each step. */
const PATIENCE_S = 60;

/** Reads which work was done when, from its leases. Leases follow the database's clock, which is the server's own. */
export function createWorkers({ models, clock }: { models: Models; clock: Clock }): () => Promise<Worker[]> {
  const startedAtMs = clock.now();
  return async () => {
    const leases = await models.leases.find({ _id: { $in: Object.keys(EVERY_S) } }).lean<LeaseDoc[]>();
    const atOf = new Map(leases.map(({ _id, at }) => [_id, at ?? null]));
    return Object.entries(EVERY_S).map(([name, everySeconds]) => {
      const lastRunAt = atOf.get(name) ?? null;
      const sinceMs = Math.max(lastRunAt?.getTime() ?? 0, startedAtMs);
      const lateS = Math.max(3 * everySeconds, everySeconds + PATIENCE_S);
      return { name, lastRunAt, everySeconds, isLate: clock.now() - sinceMs > lateS * 1_000 };
    });
  };
}
