import { type Charge } from '@continuum-billing/limits/core';
import { type BillingError, badInput } from '../../../common/errors.js';

/** Calls to this endpoint are extractions: each call is one extracted item. */
export const EXTRACTION_ENDPOINT = 'extraction';

/**
 * @param argument the path of the argument that sets the number of items
 * @returns the error if the tier does not allow an extraction of this size; null if it does
 */
export function tooLargeExtraction(
  charges: readonly Charge[],
  { tierName, limits }: { tierName: string; limits: { maxExtractionBatchSize: number } },
  argument: string,
): BillingError | null {
  const items = charges.reduce(
    (sum, { endpoint, calls }) => sum + (endpoint === EXTRACTION_ENDPOINT ? calls : 0),
    0,
  );
  const limit = limits.maxExtractionBatchSize;
  if (items <= limit) return null;
  return badInput(
    argument,
    `an extraction of ${items} items is more than the ${limit} that the ${tierName} tier allows at once; split it`,
  );
}
