import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKOUT, DAY_S, type Harness, openHarness } from './support/harness.js';

let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness?.close());

/** Buys with a code typed in at the page. */
async function buyWith(code: string) {
  const { stripe, mock } = harness;
  const session = await stripe.checkout.sessions.create({
    ...CHECKOUT,
    allow_promotion_codes: true,
  } as never);
  await mock.checkout.complete(session.id, code);
  const { subscription, amount_total: total } = await stripe.checkout.sessions.retrieve(session.id);
  return { id: subscription as string, total };
}
const totalsOf = async (subscription: string) =>
  (await harness.stripe.invoices.list({ subscription })).data.map(({ total }) => total);
const code = async (word: string, coupon: object) => {
  const { id } = await harness.stripe.coupons.create(coupon as never);
  return harness.stripe.promotionCodes.create({ code: word, promotion: { type: 'coupon', coupon: id } });
};

describe('a promotion code', () => {
  it('of half the price for ever takes it off each invoice, and off the preview of the next', async () => {
    const { stripe, mock } = harness;
    const { id: promotion } = await code('HALF', { percent_off: 50, duration: 'forever' });
    const { id, total } = await buyWith('half');
    expect(total).toBe(1_450);
    await mock.advanceClock(32 * DAY_S);
    expect(await totalsOf(id)).toEqual([1_450, 1_450]);
    expect((await stripe.invoices.createPreview({ subscription: id })).total).toBe(1_450);
    const { discounts } = await stripe.subscriptions.retrieve(id, { expand: ['discounts'] });
    expect(discounts).toMatchObject([
      { object: 'discount', promotion_code: promotion, source: { type: 'coupon' } },
    ]);
    const [invoice] = (await stripe.invoices.list({ subscription: id })).data;
    expect(invoice).toMatchObject({
      subtotal: 2_900,
      total: 1_450,
      total_discount_amounts: [{ amount: 1_450 }],
    });
    expect((await stripe.promotionCodes.retrieve(promotion)).times_redeemed).toBe(1);
  });

  it('of an amount, once, is used up by the first invoice', async () => {
    await code('TENOFF', { amount_off: 1_000, currency: 'usd', duration: 'once' });
    const { id } = await buyWith('TENOFF');
    await harness.mock.advanceClock(32 * DAY_S);
    expect(await totalsOf(id)).toEqual([2_900, 1_900]);
    expect((await harness.stripe.subscriptions.retrieve(id)).discounts).toEqual([]);
  });

  it('for some months ends with them', async () => {
    await code('TWICE', { percent_off: 25, duration: 'repeating', duration_in_months: 2 });
    const { id } = await buyWith('TWICE');
    await harness.mock.advanceClock(70 * DAY_S);
    expect(await totalsOf(id)).toEqual([2_900, 2_175, 2_175]);
  });

  it('worth more than the price makes nothing due, and never a credit', async () => {
    await code('GIFT', { amount_off: 9_999, currency: 'usd', duration: 'once' });
    expect((await buyWith('GIFT')).total).toBe(0);
  });

  it('that is unknown, used up or switched off is refused, and the checkout stays open', async () => {
    const { stripe, mock } = harness;
    const { id: coupon } = await stripe.coupons.create({ percent_off: 10, duration: 'once' });
    const off = await stripe.promotionCodes.create({
      code: 'OFF',
      active: false,
      promotion: { type: 'coupon', coupon },
    });
    expect(off.active).toBe(false);
    await stripe.promotionCodes.create({
      code: 'FIRST',
      max_redemptions: 1,
      promotion: { type: 'coupon', coupon },
    });
    await buyWith('FIRST');
    const session = await stripe.checkout.sessions.create({
      ...CHECKOUT,
      allow_promotion_codes: true,
    } as never);
    for (const word of ['NOTHING', 'OFF', 'FIRST'])
      await expect(mock.checkout.complete(session.id, word)).rejects.toThrow(/code is invalid/);
    expect((await stripe.checkout.sessions.retrieve(session.id)).status).toBe('open');
    const plain = await stripe.checkout.sessions.create(CHECKOUT as never);
    await expect(mock.checkout.complete(plain.id, 'HALF')).rejects.toThrow(/takes no codes/);
  });

  it('is one active one for a word, and a coupon has one kind of value', async () => {
    const { stripe } = harness;
    const { id: coupon } = await stripe.coupons.create({ id: 'OWN', percent_off: 5, duration: 'forever' });
    const promotion = { type: 'coupon', coupon } as const;
    await stripe.promotionCodes.create({ code: 'SAME', promotion });
    await expect(stripe.promotionCodes.create({ code: 'same', promotion })).rejects.toThrow(/already exists/);
    await expect(stripe.coupons.create({ duration: 'once' })).rejects.toThrow(/percent_off/);
    await expect(stripe.coupons.create({ percent_off: 5, duration: 'repeating' })).rejects.toThrow(
      /duration_in_months/,
    );
  });
});

describe('a subscription', () => {
  it('is given a discount, and loses it, by an update', async () => {
    const { stripe, mock } = harness;
    const { id: coupon } = await stripe.coupons.create({ percent_off: 20, duration: 'forever' });
    const session = await stripe.checkout.sessions.create({ ...CHECKOUT, discounts: [{ coupon }] } as never);
    await mock.checkout.complete(session.id);
    const { subscription } = await stripe.checkout.sessions.retrieve(session.id);
    expect(await totalsOf(subscription as string)).toEqual([2_320]);
    await stripe.subscriptions.update(subscription as string, { discounts: '' });
    expect((await stripe.invoices.createPreview({ subscription: subscription as string })).total).toBe(2_900);
  });
});
