import type { Clock } from '../../common/clock.js';
import type { Metrics } from '../infrastructure/metrics.js';

/** When Stripe's API answered this instance last, and when it did not. */
export interface StripeHealth {
  lastSuccessAt: Date | null;
  lastFailureAt: Date | null;
}

/** Watches the answers of Stripe that are measured anyway. A request that Stripe rejected was answered. */
export function watchStripe(
  metrics: Metrics,
  clock: Clock,
): { metrics: Metrics; stripeHealth: () => StripeHealth } {
  let lastSuccessAt: Date | null = null;
  let lastFailureAt: Date | null = null;
  return {
    metrics: {
      ...metrics,
      stripeAnswered(endpoint, result, startedAtMs) {
        if (result === 'failed' || result === 'no_response') lastFailureAt = new Date(clock.now());
        else if (result !== 'not_sent') lastSuccessAt = new Date(clock.now());
        metrics.stripeAnswered(endpoint, result, startedAtMs);
      },
    },
    stripeHealth: () => ({ lastSuccessAt, lastFailureAt }),
  };
}
