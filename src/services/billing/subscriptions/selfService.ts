import { badInput } from '../../../common/errors.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Tiers } from '../../tiers/tiers.js';

/** What tenants may buy and change by themselves. */

/**
 * @param argument the path of the argument that names the tier
 * @returns the Stripe price of a tier that is for sale
 * @throws BAD_USER_INPUT for one that is not
 */
export function priceForSale(tiers: Tiers, tier: string, argument: string): string {
  const words = tier.toLowerCase();
  const { checkout } = tiers.get(tier);
  if (checkout === 'NONE') throw badInput(argument, `The ${words} tier does not require checkout`);
  if (checkout === 'CONTACT_SALES')
    throw badInput(argument, `The ${words} tier has custom pricing, contact sales`);
  const priceId = tiers.getStripePriceId(tier);
  if (!priceId) throw badInput(argument, `The ${words} tier is not for sale here`);
  return priceId;
}

/** @throws BAD_USER_INPUT: what was agreed on with the operator is not the tenant's to change */
export function rejectContract({ contract }: BillingSubscriptionDoc): void {
  if (contract) throw badInput('subscription', 'is by contract; the operator changes it');
}
