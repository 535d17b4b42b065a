import { limitNames } from '../catalogue/catalogue.js';
import { displayNameOf } from '../catalogue/displayNames.js';
import { perText, priceKey } from '../catalogue/prices.js';
import { finiteLimit } from '../catalogue/unlimited.js';
import { BillingError, badInput, ErrorCode } from '../common/errors.js';
import type { TierChangePreview } from '../services/billing/subscriptions/tierChanges.js';
import type { Services } from '../services/services.js';
import type { Tiers } from '../services/tiers/tiers.js';
import type { ListedEntitlement } from '../services/usage/entitlementList.js';

// What the REST routes return: names in snake case, enums and tiers in lower case, and null for what is unlimited.

const restName = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** @returns the error with the name that the argument has here: `success_url` for `input.successUrl` */
export function withRestNames(error: unknown): unknown {
  if (!(error instanceof BillingError) || error.code !== ErrorCode.BAD_USER_INPUT) return error;
  const { argument, problem, ...details } = error.details;
  if (typeof argument !== 'string' || typeof problem !== 'string') return error;
  return badInput(restName(argument.replace(/^input\./, '')), problem, details);
}

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
  proration_cents: preview.prorationCents,
  next_invoice_cents: preview.nextInvoiceCents,
  next_invoice_at: preview.nextInvoiceAt?.toISOString() ?? null,
});
