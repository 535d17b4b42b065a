import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import type { Author } from '../../audit/author.js';
import type { Tiers } from '../../tiers/tiers.js';
import type { Customers } from '../customers/customers.js';
import { customerIdOf } from './fetchedCustomer.js';
import type { Losses } from './losses.js';
import { createSubscriptionReader } from './subscriptionState.js';
import type { SubscriptionWriter } from './subscriptionWriter.js';

/** A subscription as it was when an event happened. */
export interface Snapshot {
  /** The object of the event, in the API version of its endpoint. */
  subscription: Readonly<Record<string, unknown>>;
  /** By Stripe's clock. */
  occurredAt: Date;
}

/** Writes what a snapshot gives to a tenant, before Stripe is asked for the present state. */
export interface SnapshotGrants {
  /**
   * Writes the snapshot if it is later than what is stored, and gives a tier or a better one without taking anything.
   * It makes no request to Stripe.
   * @returns whether it was written
   */
  grant(stripeCustomerId: string, snapshot: Snapshot, author: Author): Promise<boolean>;
}

export function createSnapshotGrants(deps: {
  models: Models;
  tiers: Tiers;
  customers: Customers;
  losses: Losses;
  writer: SubscriptionWriter;
  clock: Clock;
  log: Logger;
}): SnapshotGrants {
  const { models, tiers, customers, losses, writer, clock, log } = deps;
  // A price outside the catalogue waits for the fetch, which asks for its product.
  const reader = createSubscriptionReader({ tiers, products: { tierOf: async () => null }, clock, log });

  return {
    async grant(stripeCustomerId, { subscription: object, occurredAt }, author) {
      if (!isReadable(object) || customerIdOf(object) !== stripeCustomerId) return false;
      const known = await customers.tenantOfCustomer(stripeCustomerId);
      if (!known) return false;
      const { tenantId } = known;
      const stored = await models.billingSubscriptions.findById(tenantId).lean<BillingSubscriptionDoc>();
      if (stored && occurredAt <= (stored.asOf ?? stored.updatedAt)) return false;
      const state = await reader.stateOf(object, stored);
      if (!losses.onlyGives(stored, state)) return false;
      return writer.writeState(tenantId, stored, state, occurredAt, author);
    },
  };
}

const PAID = ['active', 'trialing'];

/** A test clock has times of its own, which cannot be compared. */
function isReadable(
  object: Readonly<Record<string, unknown>>,
): object is Stripe.Subscription & typeof object {
  const { id, customer, status, items, test_clock: testClock } = object as Partial<Stripe.Subscription>;
  const hasItems = Array.isArray(items?.data) && items.data.length > 0;
  return (
    typeof id === 'string' && !!customer && hasItems && !testClock && PAID.some((paid) => paid === status)
  );
}
