import { invalidRequest } from '../http/errors.js';
import { mockId } from '../ids.js';
import { buildDiscount, coupons, discounts, promotionCodes } from '../objects/discount.js';
import type { LineTerms } from '../objects/invoice.js';
import type { StoredSubscription } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import type { Tx } from '../storage/store.js';
import { type CouponBody, idOf, type SubscriptionBody } from '../wire.js';

/** How a discount is asked for: by one of its names. */
export interface DiscountTerms {
  coupon?: string | undefined;
  promotion_code?: string | undefined;
  /** One that the subscription has already. */
  discount?: string | undefined;
}

/** What a discount takes off an invoice. */
export interface DiscountAmount {
  id: string;
  amountCents: number;
}

/** @throws MockStripeError for a code that nobody can use any more */
export async function findByCode(
  tx: Tx,
  code: string,
  customer: string | null,
  nowS: number,
): Promise<string> {
  const [found] = await tx.list(promotionCodes, { 'refs.lookupKey': code.trim().toLowerCase() }, 1);
  if (!found || !isUsable(found.body, customer, nowS))
    throw invalidRequest(`This code is invalid: ${code}`, {
      param: 'promotion_code',
      code: 'promotion_code_invalid',
    });
  return found._id;
}

function isUsable(
  body: {
    active: boolean;
    expires_at: number | null;
    max_redemptions: number | null;
    times_redeemed: number;
    customer: unknown;
  },
  customer: string | null,
  nowS: number,
): boolean {
  const own = idOf(body.customer as string | null);
  return (
    body.active &&
    (body.expires_at === null || body.expires_at > nowS) &&
    (body.max_redemptions === null || body.times_redeemed < body.max_redemptions) &&
    (own === null || own === customer)
  );
}

/**
 * Gives a subscription these discounts, and no others. Saves the coupons, not the subscription.
 * @throws MockStripeError for a coupon or code that does not exist or cannot be used
 */
export async function setDiscounts(
  change: Change,
  { body }: StoredSubscription,
  wanted: readonly DiscountTerms[],
): Promise<void> {
  const ids: string[] = [];
  for (const [index, terms] of wanted.entries()) {
    if (terms.discount)
      ids.push((await change.tx.get(discounts, terms.discount, `discounts[${index}][discount]`))._id);
    else ids.push(await redeem(change, body, terms, `discounts[${index}]`));
  }
  body.discounts = ids;
}

async function redeem(
  { tx, nowS }: Change,
  body: SubscriptionBody,
  terms: DiscountTerms,
  param: string,
): Promise<string> {
  const customer = idOf(body.customer) ?? '';
  const promotion = terms.promotion_code
    ? await tx.get(promotionCodes, terms.promotion_code, `${param}[promotion_code]`)
    : null;
  if (promotion && !isUsable(promotion.body, customer, nowS))
    throw invalidRequest('This promotion code cannot be redeemed.', { param: `${param}[promotion_code]` });
  const couponId = promotion ? idOf(promotion.body.promotion.coupon) : terms.coupon;
  const coupon = await tx.get(coupons, couponId ?? '', `${param}[coupon]`);
  if (!isValid(coupon.body, nowS))
    throw invalidRequest(`Coupon expired: ${coupon._id}`, { code: 'coupon_expired', param });
  coupon.body.times_redeemed += 1;
  await tx.save(coupons, coupon);
  if (promotion) {
    promotion.body.times_redeemed += 1;
    await tx.save(promotionCodes, promotion);
  }
  const id = mockId(discounts.prefix);
  const holder = { subscription: body.id, customer };
  await tx.insert(discounts, id, buildDiscount(id, coupon.body, holder, promotion?._id ?? null, nowS), null);
  return id;
}

export const isValid = (coupon: CouponBody, nowS: number): boolean =>
  (coupon.redeem_by === null || coupon.redeem_by > nowS) &&
  (coupon.max_redemptions === null || coupon.times_redeemed < coupon.max_redemptions);

/** What the subscription's discounts take off these lines, at a moment. Prorations have theirs already. */
export async function discountsOn(
  tx: Tx,
  body: SubscriptionBody,
  lines: readonly LineTerms[],
  atS: number,
): Promise<DiscountAmount[]> {
  let leftCents = lines.reduce((sum, line) => sum + (line.proration ? 0 : line.amountCents), 0);
  const amounts: DiscountAmount[] = [];
  for (const id of body.discounts.map(idOf)) {
    const discount = await tx.find(discounts, id ?? '');
    const coupon = discount && (await tx.find(coupons, idOf(discount.body.source.coupon) ?? ''));
    if (!discount || !coupon || (discount.body.end !== null && discount.body.end <= atS)) continue;
    const { percent_off: percent, amount_off: amount } = coupon.body;
    const offCents = Math.min(
      leftCents,
      percent === null ? (amount ?? 0) : Math.round((leftCents * percent) / 100),
    );
    if (offCents <= 0) continue;
    amounts.push({ id: discount._id, amountCents: offCents });
    leftCents -= offCents;
  }
  return amounts;
}

/** A coupon for one invoice is used up by the first that it took something off. */
export async function useUp(
  { tx, nowS }: Change,
  body: SubscriptionBody,
  used: readonly DiscountAmount[],
): Promise<void> {
  for (const { id } of used) {
    const discount = await tx.get(discounts, id);
    const coupon = await tx.find(coupons, idOf(discount.body.source.coupon) ?? '');
    if (coupon?.body.duration !== 'once') continue;
    discount.body.end = nowS;
    await tx.save(discounts, discount);
    body.discounts = (body.discounts as string[]).filter((one) => one !== id);
  }
}
