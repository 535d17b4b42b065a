import { BillingError, ErrorCode } from '../../common/errors.js';
import type { Metrics, RejectionReason } from '../infrastructure/metrics.js';
import { isRejection, type TenantLimits } from './tenantLimits.js';

/** Measures how long each decision takes, and counts rejections. */
export function measureDecisions(limits: TenantLimits, metrics: Metrics): TenantLimits {
  return {
    ...limits,
    async take(cost, tenantId) {
      const startedAtMs = performance.now();
      try {
        const outcome = await limits.take(cost, tenantId);
        const reason = isRejection(outcome) ? reasonOf(outcome.error) : 'accepted';
        metrics.decided(startedAtMs, reason, outcome.tier);
        return outcome;
      } catch (error) {
        metrics.decided(startedAtMs, isRejectionItself(error) ? 'other' : 'failed', null);
        throw error;
      }
    },
  };
}

/** For example, the tenant does not exist any more. */
const isRejectionItself = (error: unknown): boolean =>
  error instanceof BillingError && error.code !== ErrorCode.SERVICE_UNAVAILABLE;

function reasonOf({ code, details }: BillingError): RejectionReason {
  switch (code) {
    case ErrorCode.RATE_LIMITED:
      return windowReasonOf(details.window);
    case ErrorCode.TENANT_SUSPENDED:
      return 'suspended';
    case ErrorCode.FEATURE_NOT_AVAILABLE:
      return 'feature';
    case ErrorCode.STORAGE_QUOTA_EXCEEDED:
      return 'storage';
    case ErrorCode.BAD_USER_INPUT:
      return 'extraction';
    default:
      return 'other';
  }
}

/** A window of another length is a field's own limit. */
const windowReasonOf = (window: unknown): RejectionReason =>
  window === 'minute' || window === 'day' || window === 'concurrent' ? window : 'field';
