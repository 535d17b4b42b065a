import { z } from 'zod';
import { recover } from '../billing/dunning.js';
import { collectAgain, emitPaymentOutcome } from '../billing/invoicing.js';
import { previewInvoice } from '../billing/preview.js';
import { automaticTax } from '../http/billingSettings.js';
import { cardDeclined, invalidRequest, missingParameter } from '../http/errors.js';
import { createdFilter, listObjects, page } from '../http/pagination.js';
import {
  expand,
  flag,
  ignoring,
  integer,
  listOf,
  metadata,
  natural,
  prorationBehavior,
  range,
  text,
} from '../http/params.js';
import { invoices } from '../objects/invoice.js';
import { subscriptions } from '../objects/subscription.js';
import { operation } from '../operation.js';
import { idOf } from '../wire.js';

const preview = z.strictObject({
  customer: text.optional(),
  subscription: text.optional(),
  subscription_details: z
    .strictObject({
      items: listOf(
        z.strictObject({
          id: text.optional(),
          price: text.optional(),
          quantity: natural.optional(),
          deleted: flag.optional(),
          metadata,
        }),
        20,
      ).optional(),
      proration_behavior: prorationBehavior.optional(),
      proration_date: integer.optional(),
      ...ignoring(flag, 'cancel_at_period_end'),
      billing_cycle_anchor: z
        .union([z.enum(['now', 'unchanged']), z.strictObject({ type: z.enum(['now', 'unchanged']) })])
        .optional(),
    })
    .optional(),
  automatic_tax: automaticTax.optional(),
  preview_mode: z.enum(['next', 'recurring']).optional(),
  expand,
});

/** Closes an open invoice without a payment; a subscription that waited for it goes on. */
const closing = (path: 'void' | 'mark_uncollectible', status: 'void' | 'uncollectible', type: string) =>
  operation('POST', `/v1/invoices/:id/${path}`, z.strictObject({ expand }), async (call) => {
    const { tx, nowS, emit } = call;
    const invoice = await tx.get(invoices, call.id);
    const { body } = invoice;
    if (body.status !== 'open')
      throw invalidRequest(`This invoice is ${body.status}; only an open one can be closed so.`, {
        param: 'id',
      });
    body.status = status;
    body.next_payment_attempt = null;
    body.status_transitions[status === 'void' ? 'voided_at' : 'marked_uncollectible_at'] = nowS;
    await tx.save(invoices, invoice);
    await emit(type, body);
    const id = idOf(body.parent?.subscription_details?.subscription) ?? '';
    const subscription = await tx.get(subscriptions, id, 'subscription');
    const waiting = ['past_due', 'unpaid'].includes(subscription.body.status);
    if (waiting && subscription.body.latest_invoice === call.id) await recover(call, subscription);
    return body;
  });

export const invoiceOperations = [
  operation('POST', '/v1/invoices/create_preview', preview, async (call, params) => {
    if (!params.subscription) throw missingParameter('subscription');
    const stored = await call.tx.get(subscriptions, params.subscription, 'subscription');
    const { status, customer } = stored.body;
    if (status === 'canceled' || status === 'incomplete_expired') {
      const none = `No upcoming invoices for customer: '${idOf(customer)}'`;
      throw invalidRequest(none, { code: 'invoice_upcoming_none' }, 404);
    }
    const { automatic_tax, preview_mode, subscription_details: details } = params;
    return previewInvoice(call, stored, { ...details, automatic_tax, preview_mode });
  }),
  operation('GET', '/v1/invoices/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(invoices, id)).body;
  }),
  operation(
    'POST',
    '/v1/invoices/:id/pay',
    z.strictObject({ expand, paid_out_of_band: flag.optional(), ...ignoring(flag, 'off_session') }),
    async (call, params) => {
      const invoice = await call.tx.get(invoices, call.id);
      const id = idOf(invoice.body.parent?.subscription_details?.subscription) ?? '';
      const subscription = await call.tx.get(subscriptions, id, 'subscription');
      if (!(await collectAgain(call, invoice, subscription, params.paid_out_of_band))) throw cardDeclined();
      const waiting = ['past_due', 'unpaid', 'incomplete'].includes(subscription.body.status);
      if (waiting && subscription.body.latest_invoice === call.id) await recover(call, subscription);
      await emitPaymentOutcome(call, invoice);
      return invoice.body;
    },
  ),
  closing('void', 'void', 'invoice.voided'),
  closing('mark_uncollectible', 'uncollectible', 'invoice.marked_uncollectible'),
  operation(
    'GET',
    '/v1/invoices',
    z.strictObject({
      ...page,
      created: range,
      customer: text.optional(),
      subscription: text.optional(),
      status: z.enum(['draft', 'open', 'paid', 'uncollectible', 'void']).optional(),
    }),
    (call, params) =>
      listObjects(call, invoices, params, [
        createdFilter(params.created),
        params.customer ? { 'refs.customer': params.customer } : {},
        params.subscription ? { 'refs.subscription': params.subscription } : {},
        params.status ? { 'refs.status': params.status } : {},
      ]),
  ),
];
