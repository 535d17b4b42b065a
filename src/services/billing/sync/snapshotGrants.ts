import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import type { Models } from '../../../models/models.js';
import type { Author } from '../../audit/author.js';
import type { Tiers } from '../../tiers/tiers.js';
import { customerIdOf } from './fetchedCustomer.js';
import { type KnownCustomer, knownCustomers } from './knownCustomers.js';
import type { Losses } from './losses.js';
import { createSubscriptionReader } from './subscriptionState.js';
import type { StateWrite, SubscriptionWriter } from './subscriptionWriter.js';

/** A subscription as it was when an event happened. */
export interface Snapshot {
  /** The object of the event, in the API version of its endpoint. */
  subscription: Readonly<Record<string, unknown>>;
  /** By Stripe's clock. */
  occurredAt: Date;
  /** The event, for the audit log. */
  author: Author;
}

/** Snapshots of a customer's subscription. */
export interface CustomerSnapshots {
  stripeCustomerId: string;
  /** The first that may be written is. */
  snapshots: readonly Snapshot[];
}

/** Writes what snapshots give to tenants, before Stripe is asked for the present state. */
export interface SnapshotGrants {
  /**
   * Writes a snapshot if it is later than what is stored, and gives a tier or a better one without taking anything.
   * It makes no request to Stripe.
   * @returns the customers of whom a snapshot was written
   */
  grant(customers: readonly CustomerSnapshots[]): Promise<ReadonlySet<string>>;
}

export function createSnapshotGrants(deps: {
  models: Models;
  tiers: Tiers;
  losses: Losses;
  writer: SubscriptionWriter;
  clock: Clock;
  log: Logger;
}): SnapshotGrants {
  const { models, tiers, losses, writer, clock, log } = deps;
  // A price outside the catalogue waits for the fetch, which asks for its product.
  const reader = createSubscriptionReader({ tiers, products: { tierOf: async () => null }, clock, log });

  /** @returns what to write; null: nothing */
  async function writeOf(
    stripeCustomerId: string,
    { subscription: object, occurredAt: asOf, author }: Snapshot,
    { tenantId, stored }: KnownCustomer,
  ): Promise<StateWrite | null> {
    if (!isReadable(object) || customerIdOf(object) !== stripeCustomerId) return null;
    if (stored && asOf <= (stored.asOf ?? stored.updatedAt)) return null;
    const state = await reader.stateOf(object, stored);
    return losses.onlyGives(stored, state) ? { tenantId, stored, state, asOf, author } : null;
  }

  return {
    async grant(customers) {
      const known = await knownCustomers(
        models,
        customers.map(({ stripeCustomerId }) => stripeCustomerId),
      );
      const writes = new Map<string, StateWrite>();
      for (const { stripeCustomerId, snapshots } of customers) {
        const ours = known.get(stripeCustomerId);
        for (const snapshot of snapshots) {
          const write = ours && (await writeOf(stripeCustomerId, snapshot, ours));
          if (!write) continue;
          writes.set(stripeCustomerId, write);
          break;
        }
      }
      const written = await writer.writeAll([...writes.values()]);
      return new Set([...writes.keys()].filter((_, i) => written[i]));
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
