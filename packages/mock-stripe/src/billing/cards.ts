import { invalidRequest } from '../http/errors.js';
import { mockId } from '../ids.js';
import { buildCard, paymentMethods } from '../objects/paymentMethod.js';
import type { Change } from '../operation.js';

/** Stripe's ids of test cards: each attachment of one makes a payment method of its own. */
const TEST_CARDS: Readonly<Record<string, { last4: string; fails: boolean }>> = {
  pm_card_visa: { last4: '4242', fails: false },
  pm_card_mastercard: { last4: '4444', fails: false },
  pm_card_chargeCustomerFail: { last4: '0341', fails: true },
};

/**
 * Gives a customer a card.
 * @param method one of Stripe's test cards, or a payment method that the customer has already
 * @throws MockStripeError when there is no such payment method, or it is another customer's
 */
export async function attachCard(
  { tx, nowS, emit }: Change,
  customer: { id: string; email: string | null },
  method: string,
  param: string,
): Promise<string> {
  const card = TEST_CARDS[method];
  if (!card) {
    const { body } = await tx.get(paymentMethods, method, param);
    if (body.customer === customer.id) return method;
    throw invalidRequest('This PaymentMethod was previously attached to another customer.', { param });
  }
  const body = buildCard(mockId(paymentMethods.prefix), customer.id, customer.email, card.last4, nowS);
  await tx.insert(paymentMethods, body.id, body, { fails: card.fails });
  await emit('payment_method.attached', body);
  return body.id;
}
