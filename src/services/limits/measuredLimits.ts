import { BillingError, ErrorCode } from '../../common/errors.js';
import type { DecisionMeter } from './decisionMeter.js';
import { isRejection, type TenantLimits } from './tenantLimits.js';

/** Measures how long each decision takes, and counts rejections. */
export function measureDecisions(limits: TenantLimits, meter: DecisionMeter): TenantLimits {
  return {
    ...limits,
    async take(cost, tenantId) {
      const startedAtMs = performance.now();
      try {
        const outcome = await limits.take(cost, tenantId);
        if (isRejection(outcome)) meter.rejected(startedAtMs, tenantId, outcome.error, outcome.tier);
        else meter.accepted(startedAtMs, outcome.tier);
        return outcome;
      } catch (error) {
        meter.failed(startedAtMs, null, isRejectionItself(error));
        throw error;
      }
    },
  };
}

/** For example, the tenant does not exist any more. */
const isRejectionItself = (error: unknown): boolean =>
  error instanceof BillingError && error.code !== ErrorCode.SERVICE_UNAVAILABLE;
