import { restName } from '@continuum-billing/limits/core';
import { limitNames } from '../catalogue/catalogue.js';
import { displayNameOf } from '../catalogue/displayNames.js';
import { perText, priceKey } from '../catalogue/prices.js';
import { finiteLimit, UNLIMITED } from '../catalogue/unlimited.js';
import type { TenantDoc } from '../services/accounts/tenants.js';
import { paidPriceOf } from '../services/billing/subscriptions/paidPrices.js';
import type { BillingSubscriptionDoc } from '../services/billing/subscriptions/subscriptions.js';
import type { TierChangePreview } from '../services/billing/subscriptions/tierChanges.js';
import type { Services } from '../services/services.js';
import type { Entitlement } from '../services/tiers/entitlements.js';
import type { Tiers } from '../services/tiers/tiers.js';
import type { ListedEntitlement } from '../services/usage/entitlementList.js';
import type { ConsumeAnswer } from '../services/usage/recording/consumption.js';
import type { UsageReading } from '../services/usage/usage.js';

// What the REST routes return: names in snake case, enums and tiers in lower case, and null for what is unlimited.

/** The tiers on price lists. */
export function restTiers({ tiers, sampleDomain }: Pick<Services, 'tiers' | 'sampleDomain'>) {
  const { catalogue } = tiers;
  const names = limitNames(sampleDomain).filter((name) => name !== 'stored');
  return tiers.listed().map((tier) => ({
    name: tiers.publicNameOf(tier.name).toLowerCase(),
    display_name: displayNameOf(catalogue, tier.name),
    description: tier.description,
    version: tier.version,
    monthly_price_cents: tier.monthlyPriceCents,
    currency: catalogue.currency,
    prices: tiers.pricesOf(tier).flatMap(({ amounts, ...price }) =>
      Object.entries(amounts).map(([currency, unitAmount]) => ({
        id: priceKey(tier.name, price, currency),
        interval: price.interval,
        interval_count: price.intervalCount,
        currency,
        unit_amount: unitAmount,
        per_seat: price.perSeat,
        per: perText(price),
      })),
    ),
    checkout: tier.checkout.toLowerCase(),
    trial_days: tier.trialDays,
    features: tier.features.map((feature) => feature.toLowerCase()),
    limits: Object.fromEntries(
      names.map((name) => [restName(name), finiteLimit(name, tier.limits[name] as number)]),
    ),
    stored: Object.fromEntries(
      Object.entries(tier.limits.stored).map(([resource, limit]) => [resource, finiteLimit(resource, limit)]),
    ),
    limits_per_seat: tier.limitsPerSeat.map((name) =>
      catalogue.resources.includes(name) ? name : restName(name),
    ),
  }));
}

export const restEntitlement = ({
  name,
  displayName,
  kind,
  window,
  resetsAt,
  source,
  ...rest
}: ListedEntitlement) => ({
  ...rest,
  name: kind === 'LIMIT' ? restName(name) : kind === 'FEATURE' ? name.toLowerCase() : name,
  display_name: displayName,
  kind: kind.toLowerCase(),
  window: window?.toLowerCase() ?? null,
  resets_at: resetsAt?.toISOString() ?? null,
  source: source.toLowerCase(),
});

export const restPreview = (preview: TierChangePreview, tiers: Pick<Tiers, 'publicNameOf'>) => ({
  tier: tiers.publicNameOf(preview.tier).toLowerCase(),
  seats: preview.seats,
  immediately: preview.immediately,
  effective_at: preview.effectiveAt.toISOString(),
  currency: preview.currency,
  amount_due_now_cents: preview.amountDueNowCents,
  tax_cents: preview.taxCents,
  proration_cents: preview.prorationCents,
  next_invoice_cents: preview.nextInvoiceCents,
  next_invoice_at: preview.nextInvoiceAt?.toISOString() ?? null,
});

/** @param doc null: the tenant never paid */
export async function restSubscription(
  { entitlements, tiers }: Pick<Services, 'entitlements' | 'tiers'>,
  tenantId: string,
  doc: BillingSubscriptionDoc | null,
) {
  const { tierName } = await entitlements.get(tenantId);
  const graceEndsAt = entitlements.graceEndsAt(doc);
  return {
    tenant_id: tenantId,
    tier: tierName.toLowerCase(),
    status: doc?.status ?? 'active',
    current_period_end: doc?.currentPeriodEnd?.toISOString() ?? null,
    cancel_at_period_end: doc?.cancelAtPeriodEnd ?? false,
    ...(doc && paidPriceOf(tiers, doc)?.perSeat && { seats: doc.quantity }),
    ...(doc?.pause && { payment_pause: { resumes_at: doc.pause.resumesAt?.toISOString() ?? null } }),
    ...(graceEndsAt && { grace_ends_at: graceEndsAt.toISOString() }),
  };
}

/** @param endpoints how many of those with the most calls are returned; 0: the field is absent */
export const restUsage = (usage: UsageReading, endpoints = 0) => ({
  tenant_id: usage.tenantId,
  period: usage.period.toLowerCase(),
  from: usage.from.toISOString(),
  to: usage.to.toISOString(),
  calls: usage.apiCalls,
  limit: usage.limit,
  remaining: usage.remaining,
  resets_at: usage.resetsAt.toISOString(),
  overage_calls: usage.overageCalls,
  overage_cost_cents: usage.overageCostCents,
  ...(endpoints > 0 && { by_endpoint: usage.byEndpoint.slice(0, endpoints) }),
});

export const restConsumed = ({ allowed, remaining, resetsAt }: ConsumeAnswer) => ({
  allowed,
  remaining: remaining >= UNLIMITED ? null : remaining,
  resets_at: resetsAt.toISOString(),
});

export const restTenant = (tenant: TenantDoc, { tierName }: Pick<Entitlement, 'tierName'>) => ({
  id: tenant._id,
  external_id: tenant.externalId ?? null,
  name: tenant.name,
  email: tenant.email,
  tier: tierName.toLowerCase(),
  created_at: tenant.createdAt.toISOString(),
  suspended_at: tenant.suspendedAt?.toISOString() ?? null,
});
