import { type Charge } from '@continuum-billing/limits/core';
import { type BillingError, badInput } from '../../../common/errors.js';

/** Calls to this endpoint are extractions: each call is an item that is extracted. */
export const EXTRACTION_ENDPOINT = 'extraction';

/**
 * @param argument the path of what says how many
 * @returns why an operation may not extract so much at once; null: it may
 */
export function tooLargeExtraction(
  charges: readonly Charge[],
  { tier, limits }: { tier: string; limits: { maxExtractionBatchSize: number } },
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
    `an extraction of ${items} items is more than the ${limit} that the ${tier} tier allows at once; split it`,
  );
}
