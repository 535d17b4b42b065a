import { createHash } from 'node:crypto';
import type Stripe from 'stripe';
import type { BillingCustomerDoc } from '../../../models/billingCustomer.js';
import type { Models } from '../../../models/models.js';
import { searchTermOf, type TenantDoc } from '../../../models/tenant.js';
import { isExternalId } from '../../accounts/tenantDirectory.js';
import { tenantIdAt, tenantIdTime } from '../../accounts/tenants.js';
import { type KnownCustomer, knownCustomers } from '../sync/knownCustomers.js';
import type { ImportOptions } from './importOptions.js';

export type FoundTenant = Pick<TenantDoc, '_id' | 'externalId' | 'email' | 'erasure'>;

/** What is stored here about a page of customers. */
export interface PageFacts {
  /** Customers that are linked, by Stripe's id. */
  known: ReadonlyMap<string, KnownCustomer>;
  tenants: ReadonlyMap<string, FoundTenant>;
  byExternalId: ReadonlyMap<string, FoundTenant>;
  /** At most two of each address. */
  byEmail: ReadonlyMap<string, readonly FoundTenant[]>;
  /** The customer that a tenant has, by the tenant's id. */
  customerOf: ReadonlyMap<string, string>;
}

const FIELDS = { externalId: 1, email: 1, erasure: 1 } as const;

/** Addresses are compared without regard to capitals. */
export const addressOf = (email: string): string => email.trim().toLowerCase();

/** Reads with a few statements for a whole page, and one for each address. */
export async function readPageFacts(
  models: Models,
  page: readonly Stripe.Customer[],
  options: ImportOptions,
): Promise<PageFacts> {
  const rows = page.flatMap(({ id }) => options.rows.get(id) ?? []);
  const known = await knownCustomers(
    models,
    page.map(({ id }) => id),
  );
  const unlinked = page.filter(({ id }) => !known.has(id));
  const ids = new Set([
    ...[...known.values()].map(({ tenantId }) => tenantId),
    ...rows.flatMap(({ tenantId }) => tenantId ?? []),
    ...page.flatMap(namedTenantIds),
    ...unlinked.map(importedTenantId),
  ]);
  const externalIds = new Set([
    ...rows.flatMap(({ externalId }) => externalId ?? []),
    ...page.flatMap((customer) => externalIdOf(customer, options.externalIdKey) ?? []).filter(isExternalId),
  ]);
  const [byId, withExternalId] = await Promise.all([
    models.tenants.find({ _id: { $in: [...ids] } }, FIELDS).lean<FoundTenant[]>(),
    models.tenants.find({ externalId: { $in: [...externalIds] } }, FIELDS).lean<FoundTenant[]>(),
  ]);
  const byEmail = options.match.includes('email') ? await tenantsByEmail(models, unlinked) : new Map();
  const found = [...byId, ...withExternalId, ...[...byEmail.values()].flat()];
  return {
    known,
    tenants: new Map(found.map((tenant) => [tenant._id, tenant])),
    byExternalId: new Map(withExternalId.map((tenant) => [tenant.externalId as string, tenant])),
    byEmail,
    customerOf: await customersOf(
      models,
      found.map(({ _id }) => _id),
    ),
  };
}

async function customersOf(models: Models, tenantIds: readonly string[]): Promise<Map<string, string>> {
  const linked = await models.billingCustomers
    .find({ _id: { $in: tenantIds }, stripeCustomerId: { $type: 'string' } }, { stripeCustomerId: 1 })
    .lean<(Pick<BillingCustomerDoc, '_id'> & { stripeCustomerId: string })[]>();
  return new Map(linked.map(({ _id, stripeCustomerId }) => [_id, stripeCustomerId]));
}

async function tenantsByEmail(
  models: Models,
  page: readonly Stripe.Customer[],
): Promise<Map<string, FoundTenant[]>> {
  const addresses = [...new Set(page.flatMap(({ email }) => (email ? addressOf(email) : [])))];
  const found = await Promise.all(
    addresses.map((address) =>
      models.tenants
        .find(
          { searchTerms: searchTermOf(address), $expr: { $eq: [{ $toLower: '$email' }, address] } },
          FIELDS,
        )
        .limit(2)
        .lean<FoundTenant[]>(),
    ),
  );
  return new Map(addresses.map((address, i) => [address, found[i] ?? []]));
}

/** @returns the tenants that Stripe's metadata names, as this server writes them */
export function namedTenantIds(customer: Stripe.Customer): string[] {
  const named = [customer, ...currentSubscriptions(customer)].map(({ metadata }) => metadata?.tenant_id);
  return [...new Set(named.filter((id) => id !== undefined && tenantIdTime(id) !== null))] as string[];
}

/** Those that have not ended, newest first; the first ten. */
export const currentSubscriptions = ({ subscriptions }: Stripe.Customer): Stripe.Subscription[] =>
  subscriptions?.data ?? [];

export const externalIdOf = ({ metadata }: Stripe.Customer, key: string): string | null =>
  metadata?.[key] || null;

const END_CHARS = 12;

/**
 * The id of the tenant that is created for a customer. It follows from the customer, so that an import that was interrupted
 * creates no second one.
 */
export function importedTenantId({ id, created }: Stripe.Customer): string {
  const hash = BigInt(`0x${createHash('sha256').update(id).digest('hex')}`);
  return tenantIdAt(created * 1000, hash.toString(36).slice(0, END_CHARS));
}
