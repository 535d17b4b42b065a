import type Stripe from 'stripe';
import { isExternalId, MAX_EXTERNAL_ID_LENGTH } from '../../accounts/tenantDirectory.js';
import type { CustomerRow, ImportOptions, MatchedBy, MatchMethod } from './importOptions.js';
import {
  addressOf,
  currentSubscriptions,
  externalIdOf,
  importedTenantId,
  namedTenantIds,
  type PageFacts,
} from './pageFacts.js';

/** A tenant to be created. */
export interface NewTenant {
  id: string;
  externalId: string | null;
  name: string;
  email: string | null;
}

/** What is to be done with a customer. */
export type CustomerMatch =
  | { kind: 'linked'; tenantId: string }
  | { kind: 'link'; tenantId: string; by: MatchedBy }
  | { kind: 'create'; tenant: NewTenant; by: MatchedBy }
  /** @property reason null: nothing names a tenant */
  | { kind: 'none'; reason: string | null }
  | { kind: 'excluded' }
  /** Two tenants or two customers are possible. */
  | { kind: 'ambiguous'; reason: string }
  | { kind: 'failed'; reason: string };

/** The tenant that something names for a customer. */
type Named = { tenantId: string; by: MatchedBy } | { ambiguous: string } | { failed: string } | null;

const MAX_NAME_CHARS = 200;
const MAX_EMAIL_CHARS = 320;

/** Subscriptions in other statuses than these bring no money now, but may again. */
const PAYING: readonly string[] = ['active', 'trialing', 'past_due', 'unpaid', 'paused'];

export const isPaying = (customer: Stripe.Customer): boolean =>
  currentSubscriptions(customer).some(({ status }) => PAYING.includes(status));

/** Decides by what is stored now; nothing is written. */
export function matchCustomer(
  customer: Stripe.Customer,
  facts: PageFacts,
  options: ImportOptions,
): CustomerMatch {
  const row = options.rows.get(customer.id) ?? null;
  if (row?.isExcluded) return { kind: 'excluded' };
  const known = facts.known.get(customer.id);
  if (known) return linkedMatch(customer, known.tenantId, row, facts, options);
  const named = namedTenant(customer, row, facts, options);
  if (named && 'ambiguous' in named) return { kind: 'ambiguous', reason: named.ambiguous };
  if (named && 'failed' in named) return { kind: 'failed', reason: named.failed };
  if (named) return matchOf(customer, named, row, facts, options);
  const isNamed = row !== null || ownId(customer, row, options) !== null;
  const isWanted = options.create === 'all' || isNamed || isPaying(customer);
  if (options.create === 'none' || !isWanted) return { kind: 'none', reason: null };
  return creation(customer, { tenantId: importedTenantId(customer), by: 'customer' }, row, facts, options);
}

/** A link stays as it is. What contradicts it is for a person to decide. */
function linkedMatch(
  customer: Stripe.Customer,
  tenantId: string,
  row: CustomerRow | null,
  facts: PageFacts,
  options: ImportOptions,
): CustomerMatch {
  const others = namedTenantIds(customer).filter((id) => id !== tenantId);
  const externalId = ownId(customer, row, options);
  const withExternalId = externalId === null ? undefined : facts.byExternalId.get(externalId)?._id;
  const contradicts = (id: string | null | undefined) => id != null && id !== tenantId;
  const linked = `it is linked to ${tenantId} already`;
  if (facts.tenants.get(tenantId)?.erasure) return { kind: 'failed', reason: `${tenantId} was erased` };
  if (contradicts(row?.tenantId))
    return { kind: 'ambiguous', reason: `${linked}; the CSV names ${row?.tenantId}` };
  if (others.length > 0)
    return { kind: 'ambiguous', reason: `${linked}; its metadata names ${others.join(' and ')}` };
  if (contradicts(withExternalId))
    return {
      kind: 'ambiguous',
      reason: `${linked}; the external id ${externalId} belongs to ${withExternalId}`,
    };
  if (facts.tenants.has(tenantId)) return { kind: 'linked', tenantId };
  return creation(customer, { tenantId, by: 'earlier import' }, row, facts, options);
}

/** The first that names a tenant decides: the CSV, an earlier import, then the methods in their order. */
function namedTenant(
  customer: Stripe.Customer,
  row: CustomerRow | null,
  facts: PageFacts,
  options: ImportOptions,
): Named {
  if (row?.tenantId) return { tenantId: row.tenantId, by: 'csv' };
  const inCsv = row?.externalId ? facts.byExternalId.get(row.externalId) : undefined;
  if (inCsv) return { tenantId: inCsv._id, by: 'csv' };
  const created = importedTenantId(customer);
  if (facts.tenants.has(created)) return { tenantId: created, by: 'earlier import' };
  for (const method of options.match) {
    const named = METHODS[method](customer, facts, options);
    if (named) return named;
  }
  return null;
}

type Method = (customer: Stripe.Customer, facts: PageFacts, options: ImportOptions) => Named;

const METHODS: Record<MatchMethod, Method> = {
  metadata(customer) {
    const [tenantId, ...others] = namedTenantIds(customer);
    if (others.length > 0)
      return {
        ambiguous: `its metadata and that of its subscriptions name ${[tenantId, ...others].join(' and ')}`,
      };
    return tenantId ? { tenantId, by: 'metadata' } : null;
  },

  'external-id'(customer, { byExternalId }, { externalIdKey }) {
    const externalId = externalIdOf(customer, externalIdKey);
    if (externalId === null) return null;
    if (!isExternalId(externalId))
      return {
        failed: `${externalIdKey} in its metadata is no external id: it must have 1 to ${MAX_EXTERNAL_ID_LENGTH} printable characters, without white space at its ends`,
      };
    const tenant = byExternalId.get(externalId);
    return tenant ? { tenantId: tenant._id, by: 'external-id' } : null;
  },

  email({ email }, { byEmail }) {
    const found = email ? (byEmail.get(addressOf(email)) ?? []) : [];
    const [tenant, other] = found;
    if (tenant && other)
      return { ambiguous: `${tenant._id} and ${other._id} both have the address ${email}` };
    return tenant ? { tenantId: tenant._id, by: 'email' } : null;
  },
};

/** The operator's own id of a customer. */
function ownId(
  customer: Stripe.Customer,
  row: CustomerRow | null,
  { match, externalIdKey }: ImportOptions,
): string | null {
  if (row?.externalId) return row.externalId;
  const inMetadata = match.includes('external-id') ? externalIdOf(customer, externalIdKey) : null;
  return inMetadata !== null && isExternalId(inMetadata) ? inMetadata : null;
}

/** Checks whether a tenant can have the customer. */
function matchOf(
  customer: Stripe.Customer,
  named: { tenantId: string; by: MatchedBy },
  row: CustomerRow | null,
  facts: PageFacts,
  options: ImportOptions,
): CustomerMatch {
  const { tenantId, by } = named;
  const tenant = facts.tenants.get(tenantId);
  if (!tenant) return creation(customer, named, row, facts, options);
  if (tenant.erasure) return { kind: 'failed', reason: `${tenantId} was erased` };
  const other = facts.customerOf.get(tenantId);
  if (other) return { kind: 'ambiguous', reason: `${tenantId} has the customer ${other} already` };
  if (row?.externalId && row.externalId !== tenant.externalId)
    return {
      kind: 'ambiguous',
      reason: `${tenantId}, which the ${by} names, does not have the external id ${row.externalId} of the CSV`,
    };
  return { kind: 'link', tenantId, by };
}

function creation(
  customer: Stripe.Customer,
  { tenantId: id, by }: { tenantId: string; by: MatchedBy },
  row: CustomerRow | null,
  facts: PageFacts,
  options: ImportOptions,
): CustomerMatch {
  const externalId = ownId(customer, row, options);
  const owner = externalId === null ? undefined : facts.byExternalId.get(externalId);
  if (owner)
    return {
      kind: 'ambiguous',
      reason: `${by} names ${id}, and the external id ${externalId} belongs to ${owner._id}`,
    };
  if (options.create === 'none')
    return { kind: 'none', reason: `${by} names ${id}, which does not exist here; --create creates it` };
  const email = row?.email ?? customer.email;
  const name = [row?.name, customer.name, email, externalId].map(nameFrom).find((text) => text !== '');
  const isStorable = email !== null && email.length <= MAX_EMAIL_CHARS;
  return {
    kind: 'create',
    tenant: { id, externalId, name: name ?? customer.id, email: isStorable ? email : null },
    by,
  };
}

/** @returns the text as a name of a tenant, which a page shows in one line; empty if nothing is left */
const nameFrom = (text: string | null | undefined): string =>
  (text ?? '')
    .replaceAll(/[\p{Cc}\p{Bidi_Control}]+/gu, ' ')
    .trim()
    .slice(0, MAX_NAME_CHARS)
    .replace(/[\ud800-\udbff]$/, '');
