import { badInput } from '../../../common/errors.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Tiers } from '../../tiers/tiers.js';

/** What tenants may buy and change without the operator. */

/**
 * @param argument the path of the argument that names the tier
 * @returns the tier's Stripe price
 * @throws BAD_USER_INPUT for a tier that is not for sale
 */
export function priceForSale(tiers: Tiers, tier: string, argument: string): string {
  const name = tier.toLowerCase();
  const { checkout } = tiers.get(tier);
  if (checkout === 'NONE') throw badInput(argument, `The ${name} tier does not require checkout`);
  if (checkout === 'CONTACT_SALES')
    throw badInput(argument, `The ${name} tier has custom pricing, contact sales`);
  const priceId = tiers.getStripePriceId(tier);
  if (!priceId)
    throw badInput(
      argument,
      `The ${name} tier is not for sale here: the operator must set STRIPE_PRICE_${tier}`,
    );
  return priceId;
}

/** @throws BAD_USER_INPUT for a contract, which only the operator may change */
export function rejectContract({ contract }: BillingSubscriptionDoc): void {
  if (contract) throw badInput('subscription', 'is a contract; ask the operator to change it');
}
