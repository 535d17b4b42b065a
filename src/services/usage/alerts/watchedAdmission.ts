import type { RunningAdmission } from '../../limits/calls/createAdmission.js';
import { AlertKind, type Alerts } from './alerts.js';

/** Admission whose decisions are seen by the alerts. */
export function watchAdmission(admission: RunningAdmission, alerts: Alerts): RunningAdmission {
  return {
    ...admission,
    async admit(tenantId, limits, charges) {
      const decision = await admission.admit(tenantId, limits, charges);
      const { day, overageOfMonth } = decision.used;
      const { apiCallsPerDay, overageCallsPerMonth } = limits;
      alerts.see(tenantId, { kind: AlertKind.API_CALLS_PER_DAY, used: day, limit: apiCallsPerDay });
      alerts.see(tenantId, {
        kind: AlertKind.OVERAGE_PER_MONTH,
        used: overageOfMonth,
        limit: overageCallsPerMonth,
      });
      return decision;
    },
  };
}
