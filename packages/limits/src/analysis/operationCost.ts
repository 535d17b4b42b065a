import type { Charge, OperationCost } from '../limits.js';
import { amountsOf } from '../storageSize.js';
import type { OperationPlan, PlannedField } from './plan.js';

/** What an operation takes from its tenant's limits; null if no limit applies to it. */
export function operationCostOf(plan: OperationPlan): OperationCost | null {
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
        { amounts: amountsOf(storedResource, stores), external: storedResource !== null },
      ]),
    ),
    concurrent: metered,
  };
}

/** The charges of fields, summed by endpoint and mark. */
export function chargesOf(fields: readonly PlannedField[]): Charge[] {
  const charges = new Map<string, Charge>();
  for (const { calls, endpoint, mark } of fields) {
    if (calls === 0) continue;
    const name = mark === undefined ? endpoint : `${endpoint}:${mark}`;
    const known = charges.get(name);
    if (known) known.calls += calls;
    else charges.set(name, { endpoint, calls, ...(mark !== undefined && { mark }) });
  }
  return [...charges.values()];
}
