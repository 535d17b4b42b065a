import type Stripe from 'stripe';
import { ofCustomers } from '../../../models/billingCustomer.js';
import { type BillingSubscriptionDoc, ENDED, GRANTING } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import type { Customers } from '../customers/customers.js';
import { customerIdOf, type FetchedCustomer, fetchCustomer, NotVisibleError } from './fetchedCustomer.js';
import type { PaymentFailures } from './paymentFailures.js';
import type { PrimarySubscription, SubscriptionReader, SubscriptionState } from './subscriptionState.js';

/** How a stored customer or subscription differs from Stripe. */
export interface Diff {
  kind: 'subscription' | 'customer';
  /** Stripe's id. */
  object: string;
  tenantId: string;
  /** A description for the operator. */
  found: string;
  /**
   * What may happen to a subscription that grants a tier: `ends` if a repair would end it, `unseen` if Stripe does not
   * show it; null: it keeps its tier.
   */
  threat: 'ends' | 'unseen' | null;
  /** Stripe does not show the object, so it cannot be repaired. */
  unseen?: true;
}

/** A customer as Stripe shows it, and what `sync` would store of its subscription. */
export interface Inspection {
  fetched: FetchedCustomer;
  primary: PrimarySubscription | null;
  /** null: Stripe has no subscription that belongs to this server. */
  state: SubscriptionState | null;
}

/** Compares customers and their subscriptions with Stripe. Nothing is written. */
export interface SubscriptionDiff {
  /** @returns what `sync` would repair, or what it cannot see; null: in sync */
  diff(stripeCustomerId: string): Promise<Diff | null>;
  /**
   * Reads what `sync` would write.
   * @param stored of the customer's tenant
   * @throws Error for a subscription that this version cannot read
   */
  inspect(stripeCustomerId: string, stored: BillingSubscriptionDoc | null): Promise<Inspection>;
  /**
   * Reads what would be stored of a customer's listed subscriptions.
   * @param listed newest first
   * @returns null if none of them belongs to this server
   * @throws Error for a subscription that this version cannot read
   */
  preview(
    listed: Stripe.Subscription[],
    stored: BillingSubscriptionDoc | null,
  ): Promise<SubscriptionState | null>;
  /** @returns the customers of listed subscriptions that differ from what is stored, to be compared in full */
  outOfSync(listed: readonly Stripe.Subscription[]): Promise<string[]>;
}

export function createSubscriptionDiff(deps: {
  models: Models;
  stripe: Stripe;
  customers: Customers;
  reader: SubscriptionReader;
  failures: PaymentFailures;
}): SubscriptionDiff {
  const { models, stripe, customers, reader, failures } = deps;
  const subscriptions = models.billingSubscriptions;

  /** @returns what differs; null: nothing */
  async function describeDiff(
    subscription: Stripe.Subscription,
    stored: BillingSubscriptionDoc | null,
  ): Promise<string | null> {
    if (!stored) return `${subscription.id} is not stored here`;
    // `pastDueSince` takes a request of its own, and is written with every other change.
    const { pastDueSince: _, ...state } = await reader.stateOf(subscription, stored);
    const fields = diffFields(stored, state);
    return fields.length > 0 ? fields.join('; ') : outsideCatalogueNote(stored);
  }

  async function diff(stripeCustomerId: string): Promise<Diff | null> {
    const known = await customers.tenantOfCustomer(stripeCustomerId);
    const stored = known && (await subscriptions.findById(known.tenantId).lean<BillingSubscriptionDoc>());
    const fetched = await fetchCustomer(stripe, stripeCustomerId, stored);
    if (!known) return unlinked(fetched);
    const { tenantId, email } = known;
    const grantsTier = stored !== null && GRANTING.includes(stored.status);
    const ofCustomer = { kind: 'customer' as const, object: stripeCustomerId, tenantId };
    const unseen = (object: string): Diff => ({
      ...ofCustomer,
      found: new NotVisibleError(object).message,
      threat: grantsTier ? 'unseen' : null,
      unseen: true,
    });
    if (fetched.kind === 'unseen') return unseen(stripeCustomerId);
    if (fetched.kind === 'deleted')
      return {
        ...ofCustomer,
        found: 'the customer was deleted at Stripe',
        threat: grantsTier ? 'ends' : null,
      };
    const primary = await reader.primaryOf(fetched.subscriptions, stored);
    if (stored && fetched.isStoredUnseen && !primary?.grantsTier) return unseen(stored.stripeSubscriptionId);
    const found = primary && (await describeDiff(primary.subscription, stored));
    if (found) {
      const { id, status } = primary.subscription;
      const ends = grantsTier && !GRANTING.some((granting) => granting === status);
      return { kind: 'subscription', object: id, tenantId, found, threat: ends ? 'ends' : null };
    }
    if (email === fetched.customer.email) return null;
    return { ...ofCustomer, found: 'the email address differs', threat: null };
  }

  async function unlinked(fetched: FetchedCustomer): Promise<Diff | null> {
    const customer = fetched.kind === 'found' ? fetched.customer : null;
    const tenantId = customer?.metadata.tenant_id;
    if (!customer || !tenantId || !(await models.tenants.exists({ _id: tenantId, erasure: null })))
      return null;
    if ((await customers.find(tenantId))?.stripeCustomerId) return null;
    const found = 'the customer is not linked to its tenant';
    return { kind: 'customer', object: customer.id, tenantId, found, threat: null };
  }

  async function outOfSync(listed: readonly Stripe.Subscription[]): Promise<string[]> {
    const linked = await models.billingCustomers
      .find(ofCustomers(...new Set(listed.map(customerIdOf))), { stripeCustomerId: 1 })
      .lean<{ _id: string; stripeCustomerId: string }[]>();
    const known = await subscriptions
      .find({ _id: { $in: linked.map(({ _id }) => _id) } })
      .lean<BillingSubscriptionDoc[]>();
    const storedOf = new Map(known.map((stored) => [stored.stripeCustomerId, stored]));
    const linkedIds = new Set(linked.map(({ stripeCustomerId }) => stripeCustomerId));
    const customerIds: string[] = [];
    for (const subscription of listed) {
      const customerId = customerIdOf(subscription);
      const stored = storedOf.get(customerId);
      const hasEnded = ENDED.some((ended) => ended === subscription.status);
      const differs =
        stored?.stripeSubscriptionId === subscription.id
          ? await isOutOfSync(subscription, stored)
          : !hasEnded || (!stored && linkedIds.has(customerId));
      if (differs) customerIds.push(customerId);
    }
    return customerIds;
  }

  /** A subscription that cannot be compared counts as out of sync. */
  async function isOutOfSync(
    subscription: Stripe.Subscription,
    stored: BillingSubscriptionDoc,
  ): Promise<boolean> {
    try {
      return (await describeDiff(subscription, stored)) !== null;
    } catch {
      return true;
    }
  }

  async function inspect(stripeCustomerId: string, stored: BillingSubscriptionDoc | null) {
    const fetched = await fetchCustomer(stripe, stripeCustomerId, stored);
    const primary = fetched.kind === 'found' ? await reader.primaryOf(fetched.subscriptions, stored) : null;
    if (!primary) return { fetched, primary: null, state: null };
    const { subscription } = primary;
    const failedAt = subscription.status === 'past_due' ? await failures.firstOf(subscription.id) : null;
    return { fetched, primary, state: await reader.stateOf(subscription, stored, failedAt) };
  }

  return {
    diff,
    inspect,
    outOfSync,
    async preview(listed, stored) {
      const primary = await reader.primaryOf(listed, stored);
      return primary && reader.stateOf(primary.subscription, stored);
    },
  };
}

/** @returns what an operator should know about a subscription at a price outside the catalogue, else null */
export const outsideCatalogueNote = ({
  stripeSubscriptionId: id,
  priceId,
  tier,
  outsideCatalogue,
}: SubscriptionState): string | null =>
  outsideCatalogue
    ? `${id} has the price ${priceId}, which belongs neither to the catalogue nor to the product of a tier; its tier stays ${tier} until it does`
    : null;

/** A value for a person to read; objects in full. */
function textOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? 'none');
}

/** @returns one text for each field that differs, such as `status active, Stripe has canceled` */
export function diffFields(stored: BillingSubscriptionDoc, state: Partial<BillingSubscriptionDoc>): string[] {
  return Object.entries(state).flatMap(([field, value]) => {
    const [ours, theirs] = [stored[field as keyof BillingSubscriptionDoc], value].map(textOf);
    return ours === theirs ? [] : [`${field} ${ours}, Stripe has ${theirs}`];
  });
}
