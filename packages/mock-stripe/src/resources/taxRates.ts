import { z } from 'zod';
import { createdFilter, listObjects, page } from '../http/pagination.js';
import {
  clearable,
  decimal,
  expand,
  flag,
  ignoring,
  mergeMetadata,
  metadata,
  range,
  text,
} from '../http/params.js';
import { mockId } from '../ids.js';
import { buildTaxRate, taxRates } from '../objects/taxRate.js';
import { operation } from '../operation.js';

const creation = z.strictObject({
  display_name: text,
  inclusive: flag,
  percentage: decimal,
  metadata,
  expand,
  ...ignoring(flag, 'active'),
  ...ignoring(clearable, 'country', 'description', 'jurisdiction', 'state', 'tax_type'),
});

/** Tax rates are stored and returned; nothing is computed with them. */
export const taxRateOperations = [
  operation('POST', '/v1/tax_rates', creation, async ({ tx, nowS, emit }, params) => {
    const { display_name: displayName, inclusive, percentage } = params;
    const terms = { displayName, inclusive, percentage, metadata: mergeMetadata({}, params.metadata) };
    const body = buildTaxRate(mockId(taxRates.prefix), terms, nowS);
    await tx.insert(taxRates, body.id, body, null);
    await emit('tax_rate.created', body);
    return body;
  }),
  operation('GET', '/v1/tax_rates/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(taxRates, id)).body;
  }),
  operation('GET', '/v1/tax_rates', z.strictObject({ ...page, created: range }), (call, params) =>
    listObjects(call, taxRates, params, [createdFilter(params.created)]),
  ),
];
