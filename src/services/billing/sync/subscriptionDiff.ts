import type Stripe from 'stripe';
import { ofCustomers } from '../../../models/billingCustomer.js';
import { type BillingSubscriptionDoc, ENDED, GRANTING } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import type { Customers } from '../customers/customers.js';
import { customerIdOf, type FetchedCustomer, fetchCustomer, NotVisibleError } from './fetchedCustomer.js';
import type { SubscriptionReader } from './subscriptionState.js';

/** What is not as Stripe has it, in a person's words. */
export interface Diff {
  kind: 'subscription' | 'customer';
  /** Stripe's id. */
  object: string;
  tenantId: string;
  found: string;
  /**
   * For a subscription that gives a tier: `ends` if it would not once it is written as Stripe has it, `unseen` if Stripe
   * does not show it; null: it goes on giving one.
   */
  threat: 'ends' | 'unseen' | null;
  /** Stripe does not show it, so nothing can be written. */
  unseen?: true;
}

/** Compares customers and their subscriptions with Stripe, and writes nothing. */
export interface SubscriptionDiff {
  /** @returns what `sync` would repair, or leave as it is because Stripe does not show it; null: nothing */
  diff(stripeCustomerId: string): Promise<Diff | null>;
  /** @returns customers of subscriptions that, by themselves, do not fit what is stored: to be looked at */
  outOfSync(listed: readonly Stripe.Subscription[]): Promise<string[]>;
}

export function createSubscriptionDiff(deps: {
  models: Models;
  stripe: Stripe;
  customers: Customers;
  reader: SubscriptionReader;
}): SubscriptionDiff {
  const { models, stripe, customers, reader } = deps;
  const subscriptions = models.billingSubscriptions;

  /** What differs; null when all are alike. */
  async function unlike(
    subscription: Stripe.Subscription,
    stored: BillingSubscriptionDoc | null,
  ): Promise<string | null> {
    if (!stored) return `${subscription.id} is not known here`;
    // When a payment failed first takes a request of its own, and is written with each change.
    const { pastDueSince: _, ...state } = await reader.stateOf(subscription, stored);
    const differences = diffFields(stored, state);
    return differences.length > 0 ? differences.join('; ') : outsideCatalogueNote(stored);
  }

  async function diff(stripeCustomerId: string): Promise<Diff | null> {
    const known = await customers.tenantOfCustomer(stripeCustomerId);
    const stored = known && (await subscriptions.findById(known.tenantId).lean<BillingSubscriptionDoc>());
    const present = await fetchCustomer(stripe, stripeCustomerId, stored);
    if (!known) return untied(present);
    const { tenantId, email } = known;
    const grantsTier = stored !== null && GRANTING.includes(stored.status);
    const ofCustomer = { kind: 'customer' as const, object: stripeCustomerId, tenantId };
    const unseen = (object: string): Diff => ({
      ...ofCustomer,
      found: new NotVisibleError(object).message,
      threat: grantsTier ? 'unseen' : null,
      unseen: true,
    });
    if (present.kind === 'unseen') return unseen(stripeCustomerId);
    if (present.kind === 'deleted')
      return {
        ...ofCustomer,
        found: 'the customer was deleted at Stripe',
        threat: grantsTier ? 'ends' : null,
      };
    const primary = await reader.primaryOf(present.subscriptions, stored);
    if (stored && present.isStoredUnseen && !primary?.grantsTier) return unseen(stored.stripeSubscriptionId);
    const found = primary && (await unlike(primary.subscription, stored));
    if (found) {
      const { id, status } = primary.subscription;
      const ends = grantsTier && !GRANTING.some((giving) => giving === status);
      return { kind: 'subscription', object: id, tenantId, found, threat: ends ? 'ends' : null };
    }
    if (email === present.customer.email) return null;
    return { ...ofCustomer, found: 'the e-mail is another one', threat: null };
  }

  async function untied(present: FetchedCustomer): Promise<Diff | null> {
    const customer = present.kind === 'present' ? present.customer : null;
    const tenantId = customer?.metadata.tenant_id;
    if (!customer || !tenantId || !(await models.tenants.exists({ _id: tenantId }))) return null;
    if ((await customers.find(tenantId))?.stripeCustomerId) return null;
    const found = 'it is not tied to its tenant';
    return { kind: 'customer', object: customer.id, tenantId, found, threat: null };
  }

  async function outOfSync(listed: readonly Stripe.Subscription[]): Promise<string[]> {
    const tied = await models.billingCustomers
      .find(ofCustomers(...new Set(listed.map(customerIdOf))), { stripeCustomerId: 1 })
      .lean<{ _id: string; stripeCustomerId: string }[]>();
    const known = await subscriptions
      .find({ _id: { $in: tied.map(({ _id }) => _id) } })
      .lean<BillingSubscriptionDoc[]>();
    const storedOf = new Map(known.map((stored) => [stored.stripeCustomerId, stored]));
    const ours = new Set(tied.map(({ stripeCustomerId }) => stripeCustomerId));
    const odd: string[] = [];
    for (const subscription of listed) {
      const customerId = customerIdOf(subscription);
      const stored = storedOf.get(customerId);
      const hasEnded = ENDED.some((ended) => ended === subscription.status);
      const isOdd =
        stored?.stripeSubscriptionId === subscription.id
          ? await isUnlike(subscription, stored)
          : !hasEnded || (!stored && ours.has(customerId));
      if (isOdd) odd.push(customerId);
    }
    return odd;
  }

  /** What cannot be compared has to be looked at. */
  async function isUnlike(
    subscription: Stripe.Subscription,
    stored: BillingSubscriptionDoc,
  ): Promise<boolean> {
    try {
      return (await unlike(subscription, stored)) !== null;
    } catch {
      return true;
    }
  }

  return { diff, outOfSync };
}

/** What an operator should know of a subscription at a price outside the catalogue; null: there is nothing. */
export const outsideCatalogueNote = ({
  stripeSubscriptionId: id,
  priceId,
  tier,
  outsideCatalogue,
}: BillingSubscriptionDoc): string | null =>
  outsideCatalogue
    ? `${id} has the price ${priceId}, which neither the catalogue nor a product of its tiers names: its tier is ${tier} until they do`
    : null;

/** As a person reads it; of an object all that is in it. */
function textOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? 'none');
}

/** `status active, Stripe has canceled`, for each field that differs. */
export function diffFields(stored: BillingSubscriptionDoc, state: Partial<BillingSubscriptionDoc>): string[] {
  return Object.entries(state).flatMap(([field, value]) => {
    const [ours, theirs] = [stored[field as keyof BillingSubscriptionDoc], value].map(textOf);
    return ours === theirs ? [] : [`${field} ${ours}, Stripe has ${theirs}`];
  });
}
