import { z } from 'zod';
import { cancelNow } from '../billing/cancellation.js';
import { attachCard } from '../billing/cards.js';
import { inlinePrice } from '../billing/inlinePrice.js';
import type { ItemChange } from '../billing/items.js';
import { pause, resume } from '../billing/renewal.js';
import { itemSettingsFrom, settingsFrom } from '../billing/settings.js';
import { startSubscription } from '../billing/start.js';
import { requireLocation } from '../billing/tax.js';
import { updateSubscription } from '../billing/update.js';
import { invalidRequest, missingParameter, noSuch } from '../http/errors.js';
import { createdFilter, listObjects, page } from '../http/pagination.js';
import {
  expand,
  flag,
  ignoring,
  integer,
  mergeMetadata,
  object,
  prorationBehavior,
  range,
  text,
} from '../http/params.js';
import { customers } from '../objects/customer.js';
import { rejectQuantity, subscribablePrice } from '../objects/price.js';
import { type ItemTerms, type StoredSubscription, subscriptions } from '../objects/subscription.js';
import { type Call, operation } from '../operation.js';
import { idOf } from '../wire.js';
import { cancellationDetails, change, creation } from './subscriptionParams.js';

const DAY_S = 86_400;
const ENDED = ['canceled', 'incomplete_expired'];

async function applyChange(
  call: Call,
  { items, ...params }: z.infer<typeof change>,
): Promise<StoredSubscription> {
  const stored = await call.tx.get(subscriptions, call.id);
  const priced: ItemChange[] = [];
  for (const { price_data: data, ...wanted } of items ?? [])
    priced.push({
      ...wanted,
      price: wanted.price ?? (await inlinePrice(call, data)),
      settings: await itemSettingsFrom(call.tx, wanted),
    });
  if (params.automatic_tax?.enabled) {
    const customer = await call.tx.get(customers, idOf(stored.body.customer) ?? '', 'customer');
    requireLocation(customer.body, params.automatic_tax);
  }
  const settings = await settingsFrom(call.tx, params);
  await updateSubscription(call, stored, { ...params, items: items && priced, settings });
  return stored;
}

async function create(call: Call, params: z.infer<typeof creation>): Promise<StoredSubscription> {
  const { tx, nowS } = call;
  const { body: customer } = await tx.get(customers, params.customer, 'customer');
  requireLocation(customer, params.automatic_tax);
  const items: ItemTerms[] = [];
  for (const [index, wanted] of params.items.entries()) {
    const param = `items[${index}][price]`;
    const id = wanted.price ?? (await inlinePrice(call, wanted.price_data));
    if (!id) throw missingParameter(param);
    const price = await subscribablePrice(tx, id, param);
    rejectQuantity(price, wanted.quantity, `items[${index}]`);
    items.push({
      price,
      quantity: wanted.quantity ?? 1,
      metadata: mergeMetadata({}, wanted.metadata),
      settings: await itemSettingsFrom(tx, wanted),
    });
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
    settings: await settingsFrom(tx, params),
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
      invoice_now: flag.optional(),
      ...ignoring(flag, 'prorate'),
    }),
    async (call, { cancellation_details: details, invoice_now: billUsage }) => {
      const stored = await call.tx.get(subscriptions, call.id);
      if (ENDED.includes(stored.body.status)) throw noSuch('subscription', call.id);
      const given = { comment: details?.comment || null, feedback: details?.feedback || null };
      stored.body.cancellation_details = { feedback_option: null, ...given, reason: null };
      await cancelNow(call, stored, 'cancellation_requested', billUsage);
      return stored.body;
    },
  ),
  operation(
    'POST',
    '/v1/subscriptions/:id/pause',
    z.strictObject({
      expand,
      ...ignoring(object, 'bill_for'),
      ...ignoring(text, 'invoicing_behavior', 'type'),
    }),
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
      ...ignoring(text, 'payment_behavior'),
      ...ignoring(prorationBehavior, 'proration_behavior'),
      ...ignoring(integer, 'proration_date'),
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
