import { z } from 'zod';
import { cancelNow } from '../billing/cancellation.js';
import { applyDetails, createCustomer } from '../billing/customers.js';
import { changedFields } from '../events.js';
import { customFields } from '../http/billingSettings.js';
import { createdFilter, listObjects, page } from '../http/pagination.js';
import {
  clearable,
  clearableObject,
  email,
  expand,
  flag,
  ignoring,
  integer,
  list,
  listOf,
  metadata,
  object,
  range,
  text,
} from '../http/params.js';
import { customers } from '../objects/customer.js';
import { paymentMethods } from '../objects/paymentMethod.js';
import { subscriptions } from '../objects/subscription.js';
import { operation } from '../operation.js';
import { methodType } from './paymentMethods.js';

const MAX_SUBSCRIPTIONS = 100;

const part = clearable.optional();
const address = z.strictObject({
  city: part,
  country: z
    .string()
    .regex(/^([A-Z]{2})?$/, 'must be a country code such as DE')
    .optional(),
  line1: part,
  line2: part,
  postal_code: part,
  state: part,
});

const details = {
  email: email.optional(),
  name: clearable.optional(),
  description: clearable.optional(),
  phone: clearable.optional(),
  balance: integer.optional(),
  metadata,
  preferred_locales: listOf(text).optional(),
  invoice_settings: z
    .strictObject({
      default_payment_method: clearable.optional(),
      custom_fields: customFields.optional(),
      footer: clearable.max(5_000).optional(),
      ...ignoring(clearableObject, 'rendering_options'),
    })
    .optional(),
  expand,
  address: z.union([z.literal(''), address]).optional(),
  tax_exempt: z.enum(['', 'exempt', 'none', 'reverse']).optional(),
  ...ignoring(z.union([z.literal(''), z.looseObject({ address: object, name: text })]), 'shipping'),
  ...ignoring(clearable, 'business_name', 'individual_name'),
  ...ignoring(object, 'tax'),
  ...ignoring(flag, 'validate'),
};
const creation = z.strictObject({
  ...details,
  payment_method: text.optional(),
  ...ignoring(list, 'tax_id_data'),
});
const change = z.strictObject({ ...details, ...ignoring(text, 'default_source') });

export const customerOperations = [
  operation(
    'POST',
    '/v1/customers',
    creation,
    async (call, params) => (await createCustomer(call, params)).body,
  ),
  operation('GET', '/v1/customers/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    const gone = await tx.collections.objects.findOne({ _id: id, object: customers.object, deleted: true });
    return gone ? { id, object: 'customer', deleted: true } : (await tx.get(customers, id)).body;
  }),
  operation('POST', '/v1/customers/:id', change, async (call, params) => {
    const stored = await call.tx.get(customers, call.id);
    const before = structuredClone(stored.body);
    await applyDetails(call, stored.body, params);
    await call.tx.save(customers, stored);
    await call.emit('customer.updated', stored.body, changedFields(before, stored.body));
    return stored.body;
  }),
  operation(
    'GET',
    '/v1/customers/:id/payment_methods',
    z.strictObject({ ...page, type: methodType.optional() }),
    async (call, { type, ...params }) => {
      await call.tx.get(customers, call.id);
      return listObjects(call, paymentMethods, params, [
        { 'refs.customer': call.id },
        type ? { 'body.type': type } : {},
      ]);
    },
  ),
  operation('DELETE', '/v1/customers/:id', z.strictObject({}), async (call) => {
    const { tx, id, emit } = call;
    const stored = await tx.get(customers, id);
    const live = { 'refs.customer': id, 'refs.status': { $nin: ['canceled', 'incomplete_expired'] } };
    for (const subscription of await tx.list(subscriptions, live, MAX_SUBSCRIPTIONS)) {
      await cancelNow(call, subscription, 'cancellation_requested');
    }
    await tx.save(customers, { ...stored, deleted: true });
    await emit('customer.deleted', stored.body);
    return { id, object: 'customer', deleted: true };
  }),
  operation(
    'GET',
    '/v1/customers',
    z.strictObject({ ...page, email: text.optional(), created: range }),
    (call, { email: address, created, ...params }) =>
      listObjects(call, customers, params, [
        createdFilter(created),
        address ? { 'refs.email': address } : {},
      ]),
  ),
];
