import { z } from 'zod';
import { changedFields } from '../events.js';
import { invalidRequest, missingParameter } from '../http/errors.js';
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
  object,
  range,
  taxBehavior,
  text,
} from '../http/params.js';
import { mockId } from '../ids.js';
import { meters } from '../objects/meter.js';
import { buildPrice, currencyOption, prices, requireUnset, setTaxBehavior } from '../objects/price.js';
import { buildProduct, products } from '../objects/product.js';
import { subscriptions } from '../objects/subscription.js';
import { type Call, operation } from '../operation.js';
import type { Tx } from '../storage/store.js';
import type { PriceBody } from '../wire.js';

const amount = {
  unit_amount: natural.optional(),
  unit_amount_decimal: text.regex(/^\d{1,12}(\.\d{1,12})?$/, 'must be a decimal').optional(),
};
const currencyOptions = z
  .record(text.length(3), z.strictObject({ ...amount, tax_behavior: taxBehavior.optional() }))
  .optional();
const creation = z.strictObject({
  currency: text,
  ...amount,
  currency_options: currencyOptions,
  product: text.optional(),
  product_data: z.strictObject({ name: text, ...ignoring(object, 'metadata') }).optional(),
  recurring: z
    .strictObject({
      interval: z.enum(['day', 'week', 'month', 'year']),
      interval_count: integer.optional(),
      usage_type: z.enum(['licensed', 'metered']).optional(),
      meter: text.optional(),
    })
    .optional(),
  active: flag.optional(),
  lookup_key: text.optional(),
  nickname: text.optional(),
  metadata,
  expand,
  transfer_lookup_key: flag.optional(),
  ...ignoring(z.enum(['per_unit', 'tiered']), 'billing_scheme'),
  tax_behavior: taxBehavior.optional(),
});
const change = z.strictObject({
  currency_options: currencyOptions,
  active: flag.optional(),
  lookup_key: text.optional(),
  nickname: text.optional(),
  metadata,
  expand,
  transfer_lookup_key: flag.optional(),
  tax_behavior: taxBehavior.optional(),
});

function apply(body: PriceBody, params: z.infer<typeof change>): void {
  if (params.active !== undefined) body.active = params.active;
  if (params.lookup_key !== undefined) body.lookup_key = params.lookup_key;
  if (params.nickname !== undefined) body.nickname = params.nickname;
  body.metadata = mergeMetadata(body.metadata, params.metadata);
  if (params.tax_behavior) setTaxBehavior(body, params.tax_behavior);
  for (const [name, option] of Object.entries(params.currency_options ?? {})) {
    const code = name.toLowerCase();
    const present = body.currency_options?.[code];
    const { tax_behavior: behavior = present?.tax_behavior ?? 'unspecified', ...amounts } = option;
    requireUnset(present?.tax_behavior, behavior);
    const unitAmount = present && Object.keys(amounts).length === 0 ? present.unit_amount_decimal : null;
    const shown = currencyOption(unitAmount ?? amountOf(amounts), behavior);
    body.currency_options = { ...body.currency_options, [code]: shown };
  }
}

/** A lookup key names one price: `transfer_lookup_key` takes it from another. */
async function claimLookupKey(
  { tx, id }: Call,
  { lookup_key: key, transfer_lookup_key: transfer }: z.infer<typeof change>,
): Promise<void> {
  if (key === undefined) return;
  for (const holder of await tx.list(prices, { 'refs.lookupKey': key }, 1)) {
    if (holder._id === id) continue;
    if (!transfer) {
      throw invalidRequest(`A price (\`${holder._id}\`) already uses that lookup key.`, {
        param: 'lookup_key',
      });
    }
    holder.body.lookup_key = null;
    await tx.save(prices, holder);
  }
}

async function productFor({ tx, nowS, emit }: Call, params: z.infer<typeof creation>): Promise<string> {
  if (params.product) return (await tx.get(products, params.product, 'product')).body.id;
  if (!params.product_data) throw missingParameter('product');
  const body = buildProduct(mockId(products.prefix), params.product_data.name, nowS);
  await tx.insert(products, body.id, body, null);
  await emit('product.created', body);
  return body.id;
}

function amountOf({
  unit_amount: cents,
  unit_amount_decimal: decimal,
}: Pick<z.infer<typeof creation>, keyof typeof amount>): string {
  if (cents !== undefined && decimal !== undefined) {
    throw invalidRequest('You may only specify one of these parameters: unit_amount, unit_amount_decimal.');
  }
  if (cents === undefined && decimal === undefined) throw missingParameter('unit_amount');
  return decimal ?? String(cents);
}

/** Usage records are gone: what is metered has a meter. */
async function meterOf({ tx }: Call, { recurring }: z.infer<typeof creation>): Promise<string | null> {
  const metered = recurring?.usage_type === 'metered';
  if (!recurring?.meter) {
    if (metered) throw missingParameter('recurring[meter]');
    return null;
  }
  if (!metered) {
    throw invalidRequest('A meter is for prices with usage_type=metered only.', {
      param: 'recurring[meter]',
    });
  }
  return (await tx.get(meters, recurring.meter, 'recurring[meter]')).body.id;
}

/** Subscriptions show their prices as they are now. */
async function showIn({ collections, session }: Tx, price: PriceBody): Promise<void> {
  await collections.objects.updateMany(
    { object: subscriptions.object, 'refs.prices': price.id },
    { $set: { 'body.items.data.$[item].price': price } },
    { arrayFilters: [{ 'item.price.id': price.id }], ...(session && { session }) },
  );
}

export const priceOperations = [
  operation('POST', '/v1/prices', creation, async (call, params) => {
    const product = await productFor(call, params);
    const terms = {
      currency: params.currency,
      unitAmount: amountOf(params),
      product,
      meter: await meterOf(call, params),
      interval: params.recurring?.interval ?? null,
      intervalCount: params.recurring?.interval_count ?? 1,
    };
    const body = buildPrice(mockId(prices.prefix), terms, call.nowS);
    await claimLookupKey(call, params);
    apply(body, params);
    await call.tx.insert(prices, body.id, body, null);
    await call.emit('price.created', body);
    return body;
  }),
  operation('GET', '/v1/prices/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(prices, id)).body;
  }),
  operation('POST', '/v1/prices/:id', change, async (call, params) => {
    const { tx, id, emit } = call;
    const stored = await tx.get(prices, id);
    const before = structuredClone(stored.body);
    await claimLookupKey(call, params);
    apply(stored.body, params);
    await tx.save(prices, stored);
    await showIn(tx, stored.body);
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
