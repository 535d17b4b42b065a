import { z } from 'zod';
import { cancelNow } from '../billing/cancellation.js';
import { attachCard } from '../billing/cards.js';
import type { ItemChange } from '../billing/items.js';
import { pause, resume } from '../billing/renewal.js';
import { startSubscription } from '../billing/start.js';
import { updateSubscription } from '../billing/update.js';
import { invalidRequest, missingParameter, noSuch } from '../http/errors.js';
import { createdFilter, listObjects, page } from '../http/pagination.js';
import {
  clearable,
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
import { customers } from '../objects/customer.js';
import { buildPrice, prices, subscribablePrice } from '../objects/price.js';
import { products } from '../objects/product.js';
import { type ItemTerms, type StoredSubscription, subscriptions } from '../objects/subscription.js';
import { type Call, operation } from '../operation.js';

const DAY_S = 86_400;
const ENDED = ['canceled', 'incomplete_expired'];

const cancelAt = z.union([z.literal(''), z.enum(['min_period_end', 'max_period_end']), integer]).optional();
const cancellationDetails = z
  .strictObject({
    comment: clearable.optional(),
    feedback: clearable.optional(),
    ...ignoring('feedback_option'),
  })
  .optional();
const priceData = z
  .strictObject({
    currency: text,
    product: text,
    unit_amount: natural,
    recurring: z.strictObject({
      interval: z.enum(['day', 'week', 'month', 'year']),
      interval_count: integer.optional(),
    }),
    ...ignoring('tax_behavior'),
  })
  .optional();
const item = {
  price: text.optional(),
  price_data: priceData,
  quantity: natural.optional(),
  metadata,
};
const discountTerms = z.strictObject({
  coupon: text.optional(),
  promotion_code: text.optional(),
  discount: text.optional(),
});
const shared = {
  cancel_at: cancelAt,
  cancel_at_period_end: flag.optional(),
  default_payment_method: text.optional(),
  description: clearable.optional(),
  discounts: listOf(discountTerms, 20).optional(),
  metadata,
  trial_end: z.union([z.literal('now'), integer]).optional(),
  trial_settings: z
    .strictObject({
      end_behavior: z.strictObject({ missing_payment_method: z.enum(['cancel', 'create_invoice', 'pause']) }),
    })
    .optional(),
  expand,
  ...ignoring('automatic_tax'),
  collection_method: z.enum(['charge_automatically', 'send_invoice']).optional(),
  days_until_due: natural.optional(),
  ...ignoring('off_session', 'payment_settings'),
};
const creation = z.strictObject({
  ...shared,
  customer: text,
  items: listOf(z.strictObject(item), 20),
  trial_period_days: natural.optional(),
  payment_behavior: z.enum(['allow_incomplete', 'default_incomplete', 'error_if_incomplete']).optional(),
  ...ignoring('billing_mode', 'proration_behavior'),
});
const change = z.strictObject({
  ...shared,
  items: listOf(
    z.strictObject({ ...item, id: text.optional(), deleted: flag.optional(), ...ignoring('clear_usage') }),
    20,
  ).optional(),
  proration_behavior: z.enum(['always_invoice', 'create_prorations', 'none']).optional(),
  proration_date: integer.optional(),
  payment_behavior: z.enum(['allow_incomplete', 'default_incomplete', 'error_if_incomplete']).optional(),
  cancellation_details: cancellationDetails,
  billing_cycle_anchor: z.strictObject({ type: z.enum(['now', 'unchanged']) }).optional(),
});

/** A price that is made for one subscription. */
async function inlinePrice(
  { tx, nowS, emit }: Call,
  data: z.infer<typeof priceData>,
): Promise<string | undefined> {
  if (!data) return undefined;
  const { body: product } = await tx.get(products, data.product, 'items[0][price_data][product]');
  const terms = {
    currency: data.currency,
    unitAmountCents: data.unit_amount,
    product: product.id,
    interval: data.recurring.interval,
    intervalCount: data.recurring.interval_count ?? 1,
  };
  const body = buildPrice(mockId(prices.prefix), terms, nowS);
  await tx.insert(prices, body.id, body, null);
  await emit('price.created', body);
  return body.id;
}

async function applyChange(
  call: Call,
  { items, ...params }: z.infer<typeof change>,
): Promise<StoredSubscription> {
  const stored = await call.tx.get(subscriptions, call.id);
  const priced: ItemChange[] = [];
  for (const { price_data: data, ...wanted } of items ?? [])
    priced.push({ ...wanted, price: wanted.price ?? (await inlinePrice(call, data)) });
  await updateSubscription(call, stored, { ...params, items: items && priced });
  return stored;
}

async function create(call: Call, params: z.infer<typeof creation>): Promise<StoredSubscription> {
  const { tx, nowS } = call;
  const { body: customer } = await tx.get(customers, params.customer, 'customer');
  const items: ItemTerms[] = [];
  for (const [index, wanted] of params.items.entries()) {
    const param = `items[${index}][price]`;
    const id = wanted.price ?? (await inlinePrice(call, wanted.price_data));
    if (!id) throw missingParameter(param);
    const price = await subscribablePrice(tx, id, param);
    items.push({ price, quantity: wanted.quantity ?? 1, metadata: mergeMetadata({}, wanted.metadata) });
  }
  const method = params.default_payment_method;
  const { subscription } = await startSubscription(call, {
    customer: customer.id,
    items,
    metadata: mergeMetadata({}, params.metadata),
    description: params.description || null,
    paymentMethod: method ? await attachCard(call, customer, method, 'default_payment_method') : null,
    trialEndS: trialEndOf(params, nowS),
    missingPaymentMethod: params.trial_settings?.end_behavior.missing_payment_method ?? 'create_invoice',
    daysUntilDue: daysUntilDueOf(params),
    discounts: params.discounts,
    onFailure: params.payment_behavior ?? 'allow_incomplete',
    ending: { cancel_at: params.cancel_at, cancel_at_period_end: params.cancel_at_period_end },
  });
  return subscription;
}

/** null: charged automatically. */
function daysUntilDueOf({ collection_method: method, days_until_due: days }: z.infer<typeof creation>) {
  if (method !== 'send_invoice') return null;
  if (days === undefined) throw missingParameter('days_until_due');
  return days;
}

function trialEndOf({ trial_end: end, trial_period_days: days }: z.infer<typeof creation>, nowS: number) {
  if (end !== undefined && days !== undefined) {
    throw invalidRequest('You may only specify one of these parameters: trial_end, trial_period_days.');
  }
  if (typeof end === 'number') {
    if (end <= nowS)
      throw invalidRequest('Invalid timestamp: must be in the future.', { param: 'trial_end' });
    return end;
  }
  return days ? nowS + days * DAY_S : null;
}

function statusFilter(status: string | undefined) {
  if (status === 'all') return {};
  if (status === undefined) return { 'refs.status': { $nin: ENDED } };
  if (status === 'ended') return { 'refs.status': { $in: ENDED } };
  return { 'refs.status': status };
}

export const subscriptionOperations = [
  operation('POST', '/v1/subscriptions', creation, async (call, params) => (await create(call, params)).body),
  operation('GET', '/v1/subscriptions/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(subscriptions, id)).body;
  }),
  operation(
    'POST',
    '/v1/subscriptions/:id',
    change,
    async (call, params) => (await applyChange(call, params)).body,
  ),
  operation(
    'DELETE',
    '/v1/subscriptions/:id',
    z.strictObject({
      cancellation_details: cancellationDetails,
      expand,
      ...ignoring('invoice_now', 'prorate'),
    }),
    async (call, { cancellation_details: details }) => {
      const stored = await call.tx.get(subscriptions, call.id);
      if (ENDED.includes(stored.body.status)) throw noSuch('subscription', call.id);
      const told = { comment: details?.comment || null, feedback: details?.feedback || null };
      stored.body.cancellation_details = { feedback_option: null, ...told, reason: null };
      await cancelNow(call, stored, 'cancellation_requested');
      return stored.body;
    },
  ),
  operation(
    'POST',
    '/v1/subscriptions/:id/pause',
    z.strictObject({ expand, ...ignoring('bill_for', 'invoicing_behavior', 'type') }),
    async (call) => {
      const stored = await call.tx.get(subscriptions, call.id);
      if (!['active', 'trialing'].includes(stored.body.status)) {
        throw invalidRequest(`A subscription that is ${stored.body.status} cannot be paused.`);
      }
      await pause(call, stored);
      return stored.body;
    },
  ),
  operation(
    'POST',
    '/v1/subscriptions/:id/resume',
    z.strictObject({
      expand,
      billing_cycle_anchor: z.strictObject({ type: z.enum(['now', 'unchanged']) }).optional(),
      ...ignoring('payment_behavior', 'proration_behavior', 'proration_date'),
    }),
    async (call) => {
      const stored = await call.tx.get(subscriptions, call.id);
      if (stored.body.status !== 'paused') {
        throw invalidRequest(`Only a paused subscription can be resumed; this one is ${stored.body.status}.`);
      }
      await resume(call, stored);
      return stored.body;
    },
  ),
  operation(
    'GET',
    '/v1/subscriptions',
    z.strictObject({
      ...page,
      created: range,
      customer: text.optional(),
      price: text.optional(),
      status: z
        .enum([
          'active',
          'all',
          'canceled',
          'ended',
          'incomplete',
          'incomplete_expired',
          'past_due',
          'paused',
          'trialing',
          'unpaid',
        ])
        .optional(),
    }),
    (call, params) =>
      listObjects(call, subscriptions, params, [
        createdFilter(params.created),
        params.customer ? { 'refs.customer': params.customer } : {},
        params.price ? { 'refs.prices': params.price } : {},
        statusFilter(params.status),
      ]),
  ),
];
