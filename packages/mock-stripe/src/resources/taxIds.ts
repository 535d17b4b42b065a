import { z } from 'zod';
import { listObjects, page } from '../http/pagination.js';
import { expand, text } from '../http/params.js';
import { customers } from '../objects/customer.js';
import { buildTaxId, taxIds } from '../objects/taxId.js';
import { operation } from '../operation.js';

/** A country, and what its numbers are called. */
const type = text.regex(/^(eu_oss|[a-z]{2})_[a-z]+$/, 'must be the type of a tax id');
const creation = z.strictObject({ type, value: text, expand });

export const taxIdOperations = [
  operation('POST', '/v1/customers/:id/tax_ids', creation, async ({ tx, id, nowS, emit }, params) => {
    await tx.get(customers, id);
    const body = buildTaxId(id, params, nowS);
    await tx.insert(taxIds, body.id, body, null);
    await emit('customer.tax_id.created', body);
    return body;
  }),
  operation('GET', '/v1/customers/:id/tax_ids', z.strictObject(page), async (call, params) => {
    await call.tx.get(customers, call.id);
    return listObjects(call, taxIds, params, [{ 'refs.customer': call.id }]);
  }),
];
