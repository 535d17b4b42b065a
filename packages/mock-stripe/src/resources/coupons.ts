import { z } from 'zod';
import { isValid } from '../billing/discounts.js';
import { invalidRequest, missingParameter } from '../http/errors.js';
import { listObjects, page } from '../http/pagination.js';
import { expand, flag, integer, mergeMetadata, metadata, natural, text } from '../http/params.js';
import { mockId } from '../ids.js';
import { coupons, promotionCodes } from '../objects/discount.js';
import { type Call, operation } from '../operation.js';
import type { CouponBody, PromotionCodeBody } from '../wire.js';

const percent = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,2})?$/, 'must be a percentage')
  .transform(Number)
  .refine((value) => value > 0 && value <= 100, 'must be between 0 and 100');

const coupon = z.strictObject({
  id: text.optional(),
  name: text.optional(),
  percent_off: percent.optional(),
  amount_off: natural.optional(),
  currency: text.optional(),
  duration: z.enum(['forever', 'once', 'repeating']).optional(),
  duration_in_months: natural.optional(),
  max_redemptions: natural.optional(),
  redeem_by: integer.optional(),
  metadata,
  expand,
});

/** `valid` is computed when the coupon is read. */
const shown = (body: CouponBody, { nowS }: Call): CouponBody => ({ ...body, valid: isValid(body, nowS) });

function requireTerms(params: z.infer<typeof coupon>): void {
  const { percent_off: off, amount_off: amount, currency, duration, duration_in_months: months } = params;
  if ((off === undefined) === (amount === undefined))
    throw invalidRequest('You must pass one of percent_off and amount_off.', { param: 'percent_off' });
  if (amount !== undefined && !currency) throw missingParameter('currency');
  if ((duration === 'repeating') !== (months !== undefined))
    throw invalidRequest('duration_in_months belongs to the duration repeating.', {
      param: 'duration_in_months',
    });
}

const code = z.strictObject({
  promotion: z.strictObject({ type: z.literal('coupon'), coupon: text }),
  code: text.optional(),
  active: flag.optional(),
  customer: text.optional(),
  expires_at: integer.optional(),
  max_redemptions: natural.optional(),
  metadata,
  expand,
});

export const couponOperations = [
  operation('POST', '/v1/coupons', coupon, async (call, params) => {
    requireTerms(params);
    const { tx, nowS, emit } = call;
    const body: CouponBody = {
      id: params.id ?? mockId(coupons.prefix),
      object: 'coupon',
      amount_off: params.amount_off ?? null,
      created: nowS,
      currency: params.currency ?? null,
      duration: params.duration ?? 'once',
      duration_in_months: params.duration_in_months ?? null,
      livemode: false,
      max_redemptions: params.max_redemptions ?? null,
      metadata: mergeMetadata({}, params.metadata),
      name: params.name ?? null,
      percent_off: params.percent_off ?? null,
      redeem_by: params.redeem_by ?? null,
      times_redeemed: 0,
      valid: true,
    };
    await tx.insert(coupons, body.id, body, null);
    await emit('coupon.created', body);
    return body;
  }),
  operation('GET', '/v1/coupons/:id', z.strictObject({ expand }), async (call) =>
    shown((await call.tx.get(coupons, call.id)).body, call),
  ),
  operation('DELETE', '/v1/coupons/:id', z.strictObject({}), async ({ tx, id, emit }) => {
    const stored = await tx.get(coupons, id);
    await tx.save(coupons, { ...stored, deleted: true });
    await emit('coupon.deleted', stored.body);
    return { id, object: 'coupon', deleted: true };
  }),
  operation('GET', '/v1/coupons', z.strictObject(page), (call, params) =>
    listObjects(call, coupons, params, []),
  ),

  operation('POST', '/v1/promotion_codes', code, async ({ tx, nowS, emit }, params) => {
    const { body: off } = await tx.get(coupons, params.promotion.coupon, 'promotion[coupon]');
    const word = params.code ?? mockId('code').slice(-8).toUpperCase();
    const taken = await tx.list(
      promotionCodes,
      { 'refs.lookupKey': word.toLowerCase(), 'refs.active': true },
      1,
    );
    if (taken.length > 0) {
      throw invalidRequest('An active promotion code with that code already exists.', { param: 'code' });
    }
    const body: PromotionCodeBody = {
      id: mockId(promotionCodes.prefix),
      object: 'promotion_code',
      active: params.active ?? true,
      code: word,
      created: nowS,
      customer: params.customer ?? null,
      customer_account: null,
      expires_at: params.expires_at ?? null,
      livemode: false,
      max_redemptions: params.max_redemptions ?? null,
      metadata: mergeMetadata({}, params.metadata),
      promotion: { type: 'coupon', coupon: off.id },
      restrictions: { first_time_transaction: false, minimum_amount: null, minimum_amount_currency: null },
      times_redeemed: 0,
    };
    await tx.insert(promotionCodes, body.id, body, null);
    await emit('promotion_code.created', body);
    return body;
  }),
  operation('GET', '/v1/promotion_codes/:id', z.strictObject({ expand }), async ({ tx, id }) => {
    return (await tx.get(promotionCodes, id)).body;
  }),
  operation(
    'POST',
    '/v1/promotion_codes/:id',
    z.strictObject({ active: flag.optional(), metadata, expand }),
    async ({ tx, id, emit }, params) => {
      const stored = await tx.get(promotionCodes, id);
      if (params.active !== undefined) stored.body.active = params.active;
      stored.body.metadata = mergeMetadata(stored.body.metadata ?? {}, params.metadata);
      await tx.save(promotionCodes, stored);
      await emit('promotion_code.updated', stored.body);
      return stored.body;
    },
  ),
  operation(
    'GET',
    '/v1/promotion_codes',
    z.strictObject({ ...page, active: flag.optional(), code: text.optional() }),
    (call, { active, code: word, ...params }) =>
      listObjects(call, promotionCodes, params, [
        active === undefined ? {} : { 'refs.active': active },
        word ? { 'refs.lookupKey': word.toLowerCase() } : {},
      ]),
  ),
];
