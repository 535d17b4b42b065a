import { z } from 'zod';
import { attachCard } from '../billing/cards.js';
import { listObjects, page } from '../http/pagination.js';
import { expand, text } from '../http/params.js';
import { customers } from '../objects/customer.js';
import { paymentMethods } from '../objects/paymentMethod.js';
import { operation } from '../operation.js';

export const paymentMethodOperations = [
  operation('GET', '/v1/payment_methods/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(paymentMethods, id)).body;
  }),
  operation(
    'GET',
    '/v1/payment_methods',
    z.strictObject({ ...page, customer: text.optional(), type: text.optional() }),
    (call, { customer, type, ...params }) =>
      listObjects(call, paymentMethods, params, [
        customer ? { 'refs.customer': customer } : {},
        type ? { 'body.type': type } : {},
      ]),
  ),
  operation(
    'POST',
    '/v1/payment_methods/:id/attach',
    z.strictObject({ customer: text, expand }),
    async (call, params) => {
      const { body } = await call.tx.get(customers, params.customer, 'customer');
      const attached = await attachCard(call, body, call.id, 'id');
      return (await call.tx.get(paymentMethods, attached)).body;
    },
  ),
];
