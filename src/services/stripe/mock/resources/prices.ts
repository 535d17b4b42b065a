import { z } from 'zod';
import { changedFields } from '../events.js';
import { missingParameter } from '../http/errors.js';
import { createdFilter, listObjects, page } from '../http/pagination.js';
import {
  expand,
  flag,
  ignoring,
  integer,
  listOf,
  mergeMetadata,
  metadata,
  natural,
  range,
  text,
} from '../http/params.js';
import { mockId } from '../ids.js';
import { buildPrice, prices } from '../objects/price.js';
import { buildProduct, products } from '../objects/product.js';
import { type Call, operation } from '../operation.js';
import type { PriceBody } from '../wire.js';

const creation = z.strictObject({
  currency: text,
  unit_amount: natural,
  product: text.optional(),
  product_data: z.strictObject({ name: text, ...ignoring('metadata') }).optional(),
  recurring: z
    .strictObject({
      interval: z.enum(['day', 'week', 'month', 'year']),
      interval_count: integer.optional(),
      ...ignoring('usage_type'),
    })
    .optional(),
  active: flag.optional(),
  lookup_key: text.optional(),
  nickname: text.optional(),
  metadata,
  expand,
  ...ignoring('billing_scheme', 'tax_behavior', 'transfer_lookup_key'),
});
const change = z.strictObject({
  active: flag.optional(),
  lookup_key: text.optional(),
  nickname: text.optional(),
  metadata,
  expand,
  ...ignoring('tax_behavior', 'transfer_lookup_key'),
});

function apply(body: PriceBody, params: z.infer<typeof change>): void {
  if (params.active !== undefined) body.active = params.active;
  if (params.lookup_key !== undefined) body.lookup_key = params.lookup_key;
  if (params.nickname !== undefined) body.nickname = params.nickname;
  body.metadata = mergeMetadata(body.metadata, params.metadata);
}

async function productFor({ tx, nowS, emit }: Call, params: z.infer<typeof creation>): Promise<string> {
  if (params.product) return (await tx.get(products, params.product, 'product')).body.id;
  if (!params.product_data) throw missingParameter('product');
  const body = buildProduct(mockId(products.prefix), params.product_data.name, nowS);
  await tx.insert(products, body.id, body, null);
  await emit('product.created', body);
  return body.id;
}

export const priceOperations = [
  operation('POST', '/v1/prices', creation, async (call, params) => {
    const product = await productFor(call, params);
    const terms = {
      currency: params.currency,
      unitAmountCents: params.unit_amount,
      product,
      interval: params.recurring?.interval ?? null,
      intervalCount: params.recurring?.interval_count ?? 1,
    };
    const body = buildPrice(mockId(prices.prefix), terms, call.nowS);
    apply(body, params);
    await call.tx.insert(prices, body.id, body, null);
    await call.emit('price.created', body);
    return body;
  }),
  operation('GET', '/v1/prices/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(prices, id)).body;
  }),
  operation('POST', '/v1/prices/:id', change, async ({ tx, id, emit }, params) => {
    const stored = await tx.get(prices, id);
    const before = structuredClone(stored.body);
    apply(stored.body, params);
    await tx.save(prices, stored);
    await emit('price.updated', stored.body, changedFields(before, stored.body));
    return stored.body;
  }),
  operation(
    'GET',
    '/v1/prices',
    z.strictObject({
      ...page,
      active: flag.optional(),
      created: range,
      currency: text.optional(),
      lookup_keys: listOf(text, 10).optional(),
      product: text.optional(),
      type: z.enum(['one_time', 'recurring']).optional(),
    }),
    (call, params) =>
      listObjects(call, prices, params, [
        createdFilter(params.created),
        params.active === undefined ? {} : { 'refs.active': params.active },
        params.product ? { 'refs.product': params.product } : {},
        params.lookup_keys ? { 'refs.lookupKey': { $in: params.lookup_keys } } : {},
        params.currency ? { 'body.currency': params.currency } : {},
        params.type ? { 'body.type': params.type } : {},
      ]),
  ),
];
