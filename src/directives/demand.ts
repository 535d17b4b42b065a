import type { Charge } from '../services/admission/admission.js';
import type { Demand } from '../services/limits/tenantLimits.js';
import { type Storable, sizeOf, sumOfSizes } from '../services/storage/storageSize.js';
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
      storing.map(({ rootKey, stores }) => [rootKey, sumOfSizes(storablesOf(stores).map(sizeOf))]),
    ),
    concurrent: metered,
  };
}

/** @param argument one, a list, or nothing where the schema lets it be null */
const storablesOf = (argument: unknown): Storable[] =>
  [argument as Storable | Storable[] | null | undefined].flat().filter((item) => item != null);

/** The charges of fields, by endpoint. */
export function chargesOf(fields: readonly PlannedField[]): Charge[] {
  const calls = new Map<string, number>();
  for (const field of fields) {
    if (field.calls > 0) calls.set(field.endpoint, (calls.get(field.endpoint) ?? 0) + field.calls);
  }
  return [...calls].map(([endpoint, count]) => ({ endpoint, calls: count }));
}
