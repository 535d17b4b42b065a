import { z } from 'zod';
import { invalidRequest } from '../http/errors.js';
import { expand, ignoring, mergeMetadata, metadata, natural, text } from '../http/params.js';
import { mockId } from '../ids.js';
import { buildCharge, buildDispute, charges, disputes } from '../objects/charge.js';
import { customers } from '../objects/customer.js';
import { operation } from '../operation.js';

/** Stripe's test token of a card whose charges are disputed at once. */
const DISPUTED = 'tok_createDispute';

export const chargeOperations = [
  operation(
    'POST',
    '/v1/charges',
    z.strictObject({
      amount: natural,
      currency: text,
      customer: text,
      description: text.optional(),
      source: text.optional(),
      metadata,
      expand,
    }),
    async ({ tx, nowS, emit }, params) => {
      const customer = await tx.get(customers, params.customer, 'customer');
      const terms = {
        amount: params.amount,
        currency: params.currency,
        customer: customer._id,
        description: params.description ?? null,
        metadata: mergeMetadata({}, params.metadata),
      };
      const body = buildCharge(terms, nowS);
      body.disputed = params.source === DISPUTED;
      await tx.insert(charges, body.id, body, null);
      await emit('charge.succeeded', body);
      if (!body.disputed) return body;
      const dispute = buildDispute(body, nowS);
      await tx.insert(disputes, dispute.id, dispute, null);
      await emit('charge.dispute.created', dispute);
      return body;
    },
  ),
  operation('GET', '/v1/charges/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(charges, id)).body;
  }),
  operation('GET', '/v1/disputes/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(disputes, id)).body;
  }),
  operation(
    'POST',
    '/v1/refunds',
    z.strictObject({
      charge: text,
      amount: natural.optional(),
      ...ignoring(z.enum(['duplicate', 'fraudulent', 'requested_by_customer']), 'reason'),
      metadata,
      expand,
    }),
    async ({ tx, nowS, emit }, { charge: id, amount, metadata: noted }) => {
      const stored = await tx.get(charges, id, 'charge');
      const { body } = stored;
      const before = { amount_refunded: body.amount_refunded, refunded: body.refunded };
      const left = body.amount - body.amount_refunded;
      const refunded = amount ?? left;
      if (refunded < 1 || refunded > left)
        throw invalidRequest(`Charge ${id} has ${left} left to be refunded.`, { param: 'amount' });
      body.amount_refunded += refunded;
      body.refunded = body.amount_refunded === body.amount;
      await tx.save(charges, stored);
      await emit('charge.refunded', body, before);
      return {
        id: mockId('re'),
        object: 'refund',
        amount: refunded,
        charge: id,
        created: nowS,
        currency: body.currency,
        metadata: mergeMetadata({}, noted),
        status: 'succeeded',
      };
    },
  ),
];
