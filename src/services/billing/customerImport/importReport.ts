import type Stripe from 'stripe';
import type { SubscriptionState } from '../sync/subscriptionState.js';
import type { MatchedBy } from './importOptions.js';

/** What an import found about one customer, or one price. */
export type ImportFinding =
  /** @property isNew whether the tenant was created, too */
  | { kind: 'linked'; customer: string; tenant: string; isNew: boolean; by: MatchedBy; tier: string | null }
  | { kind: 'ambiguous' | 'failed'; customer: string; reason: string }
  | {
      kind: 'without_tenant';
      customer: string;
      email: string | null;
      /** The subscription that pays, and its tier; null for a customer that something names a missing tenant for. */
      subscription: string | null;
      tier: string | null;
      reason: string | null;
    }
  | ({ kind: 'unknown_price' } & UnknownPrice);

/** A price that belongs to no tier. Its subscriptions have the default tier until it does. */
export interface UnknownPrice {
  price: string;
  product: string | null;
  /** In the currency's minor unit; null if it has no fixed amount. */
  unitCents: number | null;
  currency: string | null;
  interval: string | null;
  intervalCount: number | null;
  subscriptions: number;
  /** One of them. */
  example: string;
}

/** What an import did, or would do. */
export interface ImportReport {
  dryRun: boolean;
  /** Customers at Stripe. */
  customers: number;
  /** Customers for which a tenant was found here, by what named it. Without those that were linked before. */
  matched: Partial<Record<MatchedBy, number>>;
  /** Tenants that were created. */
  created: number;
  /** Customers that were linked. */
  linked: number;
  changed: {
    /** Subscriptions that were stored, or got another tier. */
    subscriptions: number;
    /** Customers whose e-mail address was stored. */
    emails: number;
    /** Customers that got their tenant's id into their metadata at Stripe. */
    metadata: number;
  };
  /** Customers that were linked before, and that nothing was changed of. */
  alreadyRight: number;
  /** Customers whose stored subscription differs from Stripe's, which `continuum-billing stripe reconcile` repairs. */
  outOfSync: number;
  /** Customers whose `tenant_id` at Stripe belongs to another system, and was kept. */
  metadataKept: number;
  excluded: number;
  withoutTenant: number;
  /** Of those, customers that pay, or that something names a missing tenant for. */
  payingWithoutTenant: number;
  ambiguous: number;
  unknownPrices: number;
  failed: number;
}

export const emptyReport = (dryRun: boolean): ImportReport => ({
  dryRun,
  customers: 0,
  matched: {},
  created: 0,
  linked: 0,
  changed: { subscriptions: 0, emails: 0, metadata: 0 },
  alreadyRight: 0,
  outOfSync: 0,
  metadataKept: 0,
  excluded: 0,
  withoutTenant: 0,
  payingWithoutTenant: 0,
  ambiguous: 0,
  unknownPrices: 0,
  failed: 0,
});

/** How many findings need a person. */
export const openQuestions = (report: ImportReport): number =>
  report.ambiguous + report.failed + report.payingWithoutTenant + report.unknownPrices;

const MAX_PRICES = 1_000;

/** Collects the prices outside the catalogue. Of more than a thousand, only the first are kept. */
export function createUnknownPrices() {
  const prices = new Map<string, UnknownPrice>();
  return {
    note(state: SubscriptionState, subscriptions: readonly Stripe.Subscription[]): void {
      const { priceId, itemPrice, stripeSubscriptionId: example } = state;
      const known = prices.get(priceId);
      if (known) known.subscriptions += 1;
      if (known || prices.size >= MAX_PRICES) return;
      const items = subscriptions.flatMap(({ items }) => items.data);
      const product = items.find(({ price }) => price?.id === priceId)?.price.product;
      prices.set(priceId, {
        price: priceId,
        product: typeof product === 'string' ? product : (product?.id ?? null),
        unitCents: itemPrice?.unitCents ?? null,
        currency: itemPrice?.currency ?? null,
        interval: itemPrice?.interval ?? null,
        intervalCount: itemPrice?.intervalCount ?? null,
        subscriptions: 1,
        example,
      });
    },
    all: (): UnknownPrice[] => [...prices.values()],
  };
}
