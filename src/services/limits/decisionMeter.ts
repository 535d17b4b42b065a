import { type BillingError, ErrorCode } from '../../common/errors.js';
import type { Metrics, RejectionReason } from '../infrastructure/metrics.js';
import { type Activity, rejectedBy } from './activity/activity.js';

/** The one place that every decision of the limits passes: metrics, and what operators see of rejections. */
export interface DecisionMeter {
  /** @param startedAtMs from `performance.now()` */
  accepted(startedAtMs: number, tier: string): void;
  rejected(
    startedAtMs: number,
    tenantId: string,
    error: Pick<BillingError, 'code' | 'details'>,
    tier: string,
  ): void;
  /** There was no decision. @param isRejection whether the request was at fault, for example with a tenant that is gone */
  failed(startedAtMs: number, tier: string | null, isRejection?: boolean): void;
}

export function createDecisionMeter(deps: {
  metrics: Metrics;
  activity: Pick<Activity, 'rejected'>;
}): DecisionMeter {
  const { metrics, activity } = deps;
  return {
    accepted: (startedAtMs, tier) => metrics.decided(startedAtMs, 'accepted', tier),
    rejected(startedAtMs, tenantId, error, tier) {
      const reason = reasonOf(error);
      metrics.decided(startedAtMs, reason, tier);
      activity.rejected(tenantId, rejectedBy(error, reason, tier));
    },
    failed: (startedAtMs, tier, isRejection = false) =>
      metrics.decided(startedAtMs, isRejection ? 'other' : 'failed', tier),
  };
}

function reasonOf({ code, details }: Pick<BillingError, 'code' | 'details'>): RejectionReason {
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
