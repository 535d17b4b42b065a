import { addIntervals } from '../calendar.js';
import type { Kind, Stored } from '../storage/store.js';
import { type CouponBody, type DiscountBody, idOf, type PromotionCodeBody } from '../wire.js';

export type StoredCoupon = Stored<CouponBody>;

export const coupons: Kind<CouponBody> = {
  object: 'coupon',
  prefix: 'coupon',
  refs: () => ({}),
};

export const promotionCodes: Kind<PromotionCodeBody> = {
  object: 'promotion_code',
  prefix: 'promo',
  refs: ({ active, code, customer }) => ({
    active,
    lookupKey: code.toLowerCase(),
    ...(customer ? { customer: idOf(customer) ?? '' } : {}),
  }),
};

/** A coupon applied to one subscription. `created` is its start, because every stored object has `created`. */
export const discounts: Kind<DiscountBody & { created: number }> = {
  object: 'discount',
  prefix: 'di',
  refs: ({ subscription, customer }) => ({
    subscription: subscription ?? '',
    customer: idOf(customer) ?? '',
  }),
};

/** @param promotionCode the code by which it was redeemed */
export function buildDiscount(
  id: string,
  coupon: CouponBody,
  holder: { subscription: string; customer: string },
  promotionCode: string | null,
  nowS: number,
): DiscountBody & { created: number } {
  const months = coupon.duration === 'repeating' ? coupon.duration_in_months : null;
  return {
    id,
    object: 'discount',
    checkout_session: null,
    created: nowS,
    customer: holder.customer,
    customer_account: null,
    end: months ? addIntervals(nowS, 'month', months) : null,
    invoice: null,
    invoice_item: null,
    promotion_code: promotionCode,
    source: { coupon: coupon.id, type: 'coupon' },
    start: nowS,
    subscription: holder.subscription,
    subscription_item: null,
  };
}
