import type { Charge } from '../services/admission/admission.js';
import type { Demand } from '../services/limits/tenantLimits.js';
import { amountsOf } from '../services/storage/storageSize.js';
import type { OperationPlan, PlannedField } from './plan.js';

/** What an operation asks of its tenant's limits; null: nothing. */
export function demandOf(plan: OperationPlan): Demand | null {
  const { fields, features, fieldLimits, metered } = plan;
  const storing = fields.filter(({ rule }) => rule.storageArg !== null);
  if (!metered && features.length === 0 && fieldLimits.length === 0 && storing.length === 0) return null;
  return {
    charges: chargesOf(fields),
    features,
    fieldLimits,
    stores: new Map(
      storing.map(({ rootKey, stores, rule: { storedResource } }) => [
        rootKey,
        { amounts: amountsOf(storedResource, stores), elsewhere: storedResource !== null },
      ]),
    ),
    concurrent: metered,
  };
}

/** The charges of fields, by endpoint. */
export function chargesOf(fields: readonly PlannedField[]): Charge[] {
  const calls = new Map<string, number>();
  for (const field of fields) {
    if (field.calls > 0) calls.set(field.endpoint, (calls.get(field.endpoint) ?? 0) + field.calls);
  }
  return [...calls].map(([endpoint, count]) => ({ endpoint, calls: count }));
}
