import type { Trigger } from '@continuum-billing/mock-stripe';
import type { Logger } from 'pino';
import { badInput } from '../../common/errors.js';
import type { Tenants } from '../accounts/tenants.js';
import type { Customers } from '../billing/customers/customers.js';
import { callingStripe } from '../billing/stripe/stripeErrors.js';
import type { Tiers } from '../tiers/tiers.js';

export interface Triggered {
  event: string;
  tenantId: string;
  stripeCustomerId: string;
}

/**
 * Makes an event of Stripe happen to a tenant, whose customer is created if there is none.
 * @param tenantId null: the oldest tenant
 * @throws BAD_USER_INPUT for an unknown event, with the known ones; NOT_FOUND
 */
export type TenantTrigger = (event: string, tenantId: string | null) => Promise<Triggered>;

export function createTenantTrigger(deps: {
  trigger: Trigger;
  customers: Customers;
  tenants: Tenants;
  tiers: Tiers;
  log: Logger;
}): TenantTrigger {
  const { trigger, customers, tenants, tiers, log } = deps;

  function itemsToBuy() {
    const tier = tiers.listed().find(({ checkout }) => checkout === 'SELF_SERVICE');
    const price = tier && tiers.getStripePriceId(tier.name);
    if (!price) throw badInput('event', 'needs a tier that is for sale');
    const overage = tiers.getOveragePriceId(tier.name);
    return [{ price, quantity: 1 }, ...(overage ? [{ price: overage }] : [])];
  }

  async function tenantFor(tenantId: string | null): Promise<string> {
    if (tenantId) return (await tenants.get(tenantId))._id;
    const oldest = await tenants.oldest();
    if (!oldest) throw badInput('tenantId', 'is needed: there is no tenant yet');
    return oldest._id;
  }

  return async (event, named) => {
    if (!trigger.events.includes(event))
      throw badInput('event', `must be one of ${trigger.events.join(', ')}`);
    const tenantId = await tenantFor(named);
    const { stripeCustomerId } = await customers.ensure(tenantId, null);
    await callingStripe(log, tenantId, () =>
      trigger.run(event, {
        customer: stripeCustomerId,
        items: itemsToBuy,
        metadata: { tenant_id: tenantId },
      }),
    );
    return { event, tenantId, stripeCustomerId };
  };
}
