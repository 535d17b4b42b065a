import { z } from 'zod';
import { changedFields } from '../events.js';
import { createdFilter, listObjects, page } from '../http/pagination.js';
import {
  clearable,
  expand,
  flag,
  ignoring,
  list,
  listOf,
  mergeMetadata,
  metadata,
  range,
  text,
} from '../http/params.js';
import { mockId } from '../ids.js';
import { buildProduct, products } from '../objects/product.js';
import { operation } from '../operation.js';
import type { ProductBody } from '../wire.js';

const details = {
  active: flag.optional(),
  description: clearable.optional(),
  metadata,
  expand,
  ...ignoring(list, 'images', 'marketing_features'),
  ...ignoring(flag, 'shippable'),
  ...ignoring(text, 'statement_descriptor'),
  ...ignoring(clearable, 'tax_code', 'unit_label', 'url'),
};
const creation = z.strictObject({
  ...details,
  id: text.optional(),
  name: text,
  ...ignoring(z.enum(['good', 'service']), 'type'),
});
const change = z.strictObject({ ...details, name: text.optional(), default_price: text.optional() });

function apply(body: ProductBody, params: Omit<z.infer<typeof change>, 'expand'>, nowS: number): void {
  if (params.name !== undefined) body.name = params.name;
  if (params.active !== undefined) body.active = params.active;
  if (params.description !== undefined) body.description = params.description || null;
  if (params.default_price !== undefined) body.default_price = params.default_price;
  body.metadata = mergeMetadata(body.metadata, params.metadata);
  body.updated = nowS;
}

export const productOperations = [
  operation('POST', '/v1/products', creation, async ({ tx, nowS, emit }, { id, name, ...params }) => {
    const body = buildProduct(id ?? mockId(products.prefix), name, nowS);
    apply(body, params, nowS);
    await tx.insert(products, body.id, body, null);
    await emit('product.created', body);
    return body;
  }),
  operation('GET', '/v1/products/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(products, id)).body;
  }),
  operation('POST', '/v1/products/:id', change, async ({ tx, id, nowS, emit }, params) => {
    const stored = await tx.get(products, id);
    const before = structuredClone(stored.body);
    apply(stored.body, params, nowS);
    await tx.save(products, stored);
    await emit('product.updated', stored.body, changedFields(before, stored.body));
    return stored.body;
  }),
  operation(
    'GET',
    '/v1/products',
    z.strictObject({ ...page, active: flag.optional(), created: range, ids: listOf(text).optional() }),
    (call, params) =>
      listObjects(call, products, params, [
        createdFilter(params.created),
        params.active === undefined ? {} : { 'refs.active': params.active },
        params.ids ? { _id: { $in: params.ids } } : {},
      ]),
  ),
];
