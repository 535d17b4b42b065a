import type { StorageAmounts } from '@continuum-billing/limits/core';
import type Stripe from 'stripe';
import type { TierDefinition, TierLimits } from '../catalogue/catalogue.js';
import { displayNameOf } from '../catalogue/displayNames.js';
import { perText, priceKey } from '../catalogue/prices.js';
import type { ApiKeyType, StoredKey } from '../schema/apiKey.js';
import type { InvoiceType, PaymentMethodType } from '../schema/billingAccount.js';
import type { MemoryType } from '../schema/memory.js';
import type { OperatorKeyType } from '../schema/operatorKey.js';
import type { SubscriptionType } from '../schema/subscription.js';
import type { LimitOverrides, TenantType } from '../schema/tenant.js';
import type { TenantErasure } from '../schema/tenantData.js';
import type { TierLimitsType, TierPrice, TierType } from '../schema/tier.js';
import type { TierExplanation } from '../schema/tierExplanation.js';
import type { StorageUsage } from '../schema/usage.js';
import type { ApiKeyDoc } from '../services/accounts/apiKeys.js';
import type { OperatorRole } from '../services/accounts/principal.js';
import type { TenantContract, TenantDoc } from '../services/accounts/tenants.js';
import type { PaymentMethod } from '../services/billing/customers/billingAccount.js';
import { taxOf } from '../services/billing/stripe/stripeObjects.js';
import {
  type PaidPrice,
  paidPriceOf,
  scheduledPriceOf,
} from '../services/billing/subscriptions/paidPrices.js';
import type { TierExplanation as ExplainedTier } from '../services/billing/tierExplanation.js';
import type { ReadMemory } from '../services/memories/boundedReads.js';
import { unpackEmbedding } from '../services/memories/embedding.js';
import { memoryIdOf } from '../services/memories/memories.js';
import type { Services } from '../services/services.js';
import { statusOf } from '../services/tenantData/erasures.js';
import type { Entitlement } from '../services/tiers/entitlements.js';
import type { Tiers } from '../services/tiers/tiers.js';
import type { Context } from './context.js';

// Map stored documents to the types of the schema.

export const toTier = (tiers: Tiers, tier: TierDefinition, limits: TierLimits = tier.limits): TierType => ({
  name: tier.name,
  displayName: displayNameOf(tiers.catalogue, tier.name),
  description: tier.description,
  hidden: tier.hidden,
  retired: tier.retired,
  successor: tier.successor,
  version: tier.version,
  monthlyPriceCents: tier.monthlyPriceCents,
  currency: tiers.catalogue.currency,
  prices: toTierPrices(tiers, tier),
  features: tier.features,
  featureNames: tier.features.map((feature) => displayNameOf(tiers.catalogue, feature)),
  checkout: tier.checkout,
  overage: tiers.getOverage(tier.name),
  support: tier.support,
  trialDays: tier.trialDays,
  trialRequiresCard: tier.trialRequiresCard,
  trialEndWithoutCard: tier.trialEndWithoutCard,
  limits: toTierLimits(limits),
  limitsPerSeat: tier.limitsPerSeat,
});

/** The prices of a tier, those in the catalogue's currency first. */
function toTierPrices(tiers: Tiers, tier: TierDefinition): TierPrice[] {
  const all = tiers.pricesOf(tier).flatMap(({ amounts, ...price }) =>
    Object.entries(amounts).map(([currency, unitAmount]) => ({
      id: priceKey(tier.name, price, currency),
      ...price,
      currency,
      unitAmount,
      per: perText(price),
    })),
  );
  const isOther = ({ currency }: TierPrice) => Number(currency !== tiers.catalogue.currency);
  return all.toSorted((a, b) => isOther(a) - isOther(b));
}

const toPaidPrice = (price: PaidPrice | null): TierPrice | null => price && { ...price, per: perText(price) };

const toStoredLimits = (stored: TierLimits['stored']) =>
  Object.entries(stored).map(([resource, limit]) => ({ resource, limit }));

const toTierLimits = ({ stored, ...limits }: TierLimits): TierLimitsType => ({
  ...limits,
  stored: toStoredLimits(stored),
});

export function toStorageUsage(stored: StorageAmounts, limits: TierLimits): StorageUsage {
  const { memories = 0, embeddings = 0, bytes = 0 } = stored;
  return {
    memories,
    embeddings,
    bytes,
    resources: toTierLimits(limits).stored.map(({ resource, limit }) => ({
      resource,
      limit,
      stored: stored[resource] ?? 0,
    })),
    limits: toTierLimits(limits),
  };
}

export const toEntitledTier = (tiers: Tiers, { tier, tierVersion, limits }: Entitlement): TierType =>
  toTier(tiers, tiers.get(tier, tierVersion), limits);

export const toTenant = ({ _id, externalId, name, email, createdAt, ...tenant }: TenantDoc): TenantType => ({
  id: _id,
  externalId: externalId ?? null,
  name,
  email,
  createdAt,
  erasure: tenant.erasure ? toErasure(_id, tenant.erasure) : null,
  suspendedAt: tenant.suspendedAt ?? null,
});

export const toTierExplanation = (tiers: Tiers, explained: ExplainedTier): TierExplanation => {
  const { entitlement, since, until, unapplied, subscription, lastEvent, summary } = explained;
  return {
    tier: toEntitledTier(tiers, entitlement),
    source: entitlement.source,
    since,
    until,
    unapplied,
    stripe: subscription && {
      customerId: subscription.stripeCustomerId,
      subscriptionId: subscription.stripeSubscriptionId,
      status: subscription.status,
      tier: tiers.publicNameOf(subscription.tier),
      changedAt: subscription.updatedAt,
      lastEventId: lastEvent?._id ?? null,
      lastEventType: lastEvent?.type ?? null,
      lastEventReceivedAt: lastEvent?.receivedAt ?? null,
    },
    summary,
  };
};

/** @returns null if the contract overrides nothing */
export function toLimitOverrides(
  contract: TenantContract,
  { tiers, entitlements }: Pick<Services, 'tiers' | 'entitlements'>,
  forOperator: boolean,
): LimitOverrides | null {
  const { tier, limits = {}, reason, author, until, setAt } = contract;
  if (tier === null && Object.keys(limits).length === 0) return null;
  const { stored, ...others } = limits;
  return {
    // The catalogue may have lost it since.
    tier: tier !== null && tiers.has(tier) ? tier : null,
    limits: { ...others, stored: stored ? toStoredLimits(stored) : null },
    inForce: entitlements.isInForce(contract),
    until: until ?? null,
    reason: (forOperator && reason) || null,
    author: (forOperator && author) || null,
    setAt: setAt ?? null,
  };
}

export const toErasure = (tenantId: string, erasure: NonNullable<TenantDoc['erasure']>): TenantErasure => ({
  tenantId,
  status: statusOf(erasure),
  startedAt: erasure.startedAt,
  completedAt: erasure.completedAt,
  error: erasure.error,
  nextTryAt: erasure.nextTryAt ?? null,
});

/** Reads a tenant's subscription, its tier and the end of its grace period. */
export async function readSubscription(
  tenantId: string,
  { loaders, services }: Pick<Context, 'loaders' | 'services'>,
): Promise<SubscriptionType> {
  const [doc, entitlement] = await Promise.all([
    loaders.subscription.load(tenantId),
    loaders.entitlement(tenantId),
  ]);
  return {
    id: `subscription:${tenantId}`,
    tenantId,
    tier: toEntitledTier(services.tiers, entitlement),
    status: doc?.status ?? 'active',
    price: toPaidPrice(paidPriceOf(services.tiers, doc)),
    seats: doc?.quantity ?? 1,
    currentPeriodStart: doc?.currentPeriodStart ?? null,
    currentPeriodEnd: doc?.currentPeriodEnd ?? null,
    cancelAtPeriodEnd: doc?.cancelAtPeriodEnd ?? false,
    cancelAt: doc?.cancelAt ?? null,
    trialEnd: doc?.trialEnd ?? null,
    paymentPause: doc?.pause ?? null,
    graceEndsAt: services.entitlements.graceEndsAt(doc),
    scheduledTier: doc?.scheduledTier ?? null,
    scheduledPrice: toPaidPrice(scheduledPriceOf(services.tiers, doc)),
    scheduledAt: doc?.scheduledAt ?? null,
    outsideCatalogue: doc?.outsideCatalogue ?? false,
    isContract: typeof doc?.contract === 'string',
    stripeSubscriptionId: doc?.stripeSubscriptionId ?? null,
  };
}

export const toInvoice = (invoice: Stripe.Invoice): InvoiceType => ({
  id: invoice.id,
  number: invoice.number,
  status: invoice.status ?? 'draft',
  currency: invoice.currency,
  totalCents: invoice.total,
  taxCents: taxOf(invoice),
  amountDueCents: invoice.amount_due,
  amountPaidCents: invoice.amount_paid,
  amountRemainingCents: invoice.amount_remaining,
  createdAt: new Date(invoice.created * 1000),
  hostedUrl: invoice.hosted_invoice_url ?? null,
  pdfUrl: invoice.invoice_pdf ?? null,
});

export const toPaymentMethod = ({ method, isDefault }: PaymentMethod): PaymentMethodType => ({
  id: method.id,
  type: method.type,
  brand: method.card?.brand ?? null,
  last4: method.card?.last4 ?? null,
  expMonth: method.card?.exp_month ?? null,
  expYear: method.card?.exp_year ?? null,
  isDefault,
});

export const toApiKey = (doc: ApiKeyDoc): ApiKeyType => ({ ...toStoredKey(doc), scopes: doc.scopes });

export const toOperatorKey = (
  doc: ApiKeyDoc,
  { principal }: Pick<Context, 'principal'>,
): OperatorKeyType => ({
  ...toStoredKey(doc),
  role: doc.role as OperatorRole,
  createdBy: doc.createdBy ?? null,
  current: principal?.kind === 'operator' && principal.keyId === doc._id,
});

const toStoredKey = (doc: ApiKeyDoc): StoredKey => ({
  id: doc._id,
  name: doc.name,
  createdAt: doc.createdAt,
  expiresAt: doc.expiresAt,
  revokedAt: doc.revokedAt,
  lastUsedAt: doc.lastUsedAt,
  rotatedTo: doc.rotatedTo,
});

/** Embedding and metadata are large, so they are converted only when the response is written. */
export const toMemory = (doc: ReadMemory): MemoryType => ({
  id: memoryIdOf(doc),
  content: doc.content ?? null,
  get embedding() {
    return doc.embedding ? [...unpackEmbedding(doc.embedding)] : null;
  },
  get metadata() {
    return doc.metadata ? JSON.parse(doc.metadata) : null;
  },
  bytes: doc.bytes,
  shared: doc.sharedAt !== null,
  createdAt: doc.createdAt,
});
