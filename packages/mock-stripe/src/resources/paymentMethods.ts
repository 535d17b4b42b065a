import { z } from 'zod';
import { attachCard } from '../billing/cards.js';
import { invalidRequest } from '../http/errors.js';
import { listObjects, page } from '../http/pagination.js';
import { expand, text } from '../http/params.js';
import { customers } from '../objects/customer.js';
import { paymentMethods } from '../objects/paymentMethod.js';
import { operation } from '../operation.js';

/** Those that Stripe knows; here all are cards. */
export const methodType = z.enum(
  (
    'acss_debit affirm afterpay_clearpay alipay alma amazon_pay au_becs_debit bacs_debit bancontact billie bizum blik ' +
    'boleto card cashapp crypto custom customer_balance eps fpx giropay grabpay ideal kakao_pay klarna konbini kr_card ' +
    'link mb_way mobilepay multibanco naver_pay nz_bank_account oxxo p24 pay_by_bank payco paynow paypal paypay payto ' +
    'pix promptpay revolut_pay samsung_pay satispay scalapay sepa_debit sequra sofort sunbit swish twint upi ' +
    'us_bank_account wechat_pay zip'
  ).split(' '),
);

export const paymentMethodOperations = [
  operation('GET', '/v1/payment_methods/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(paymentMethods, id)).body;
  }),
  operation(
    'GET',
    '/v1/payment_methods',
    z.strictObject({ ...page, customer: text.optional(), type: methodType.optional() }),
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
  operation(
    'POST',
    '/v1/payment_methods/:id/detach',
    z.strictObject({ expand }),
    async ({ tx, id, emit }) => {
      const stored = await tx.get(paymentMethods, id);
      const { customer } = stored.body;
      if (!customer) throw invalidRequest('The payment method you provided is not attached to a customer.');
      stored.body.customer = null;
      await tx.save(paymentMethods, stored);
      await emit('payment_method.detached', stored.body, { customer });
      return stored.body;
    },
  ),
];
