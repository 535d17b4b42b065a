import { type BillingCustomerDoc, ofCustomers } from '../../../models/billingCustomer.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';

/** What is stored of a customer. */
export interface KnownCustomer {
  tenantId: string;
  email: string | null;
  stored: BillingSubscriptionDoc | null;
}

/** Reads many customers with two statements. @returns those that are linked to a tenant, by Stripe's id */
export async function knownCustomers(
  models: Models,
  stripeCustomerIds: readonly string[],
): Promise<Map<string, KnownCustomer>> {
  const linked = await models.billingCustomers
    .find(ofCustomers(...stripeCustomerIds), { stripeCustomerId: 1, email: 1 })
    .lean<(Pick<BillingCustomerDoc, '_id' | 'email'> & { stripeCustomerId: string })[]>();
  const docs = await models.billingSubscriptions
    .find({ _id: { $in: linked.map(({ _id }) => _id) } })
    .lean<BillingSubscriptionDoc[]>();
  const storedOf = new Map(docs.map((doc) => [doc._id, doc]));
  return new Map(
    linked.map(({ _id: tenantId, stripeCustomerId, email }) => [
      stripeCustomerId,
      { tenantId, email, stored: storedOf.get(tenantId) ?? null },
    ]),
  );
}
