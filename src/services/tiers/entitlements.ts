import type { TierLimits } from '../../catalogue/catalogue.js';
import { callsFor, type OveragePrice } from '../../catalogue/overagePrice.js';
import { limitsFor } from '../../catalogue/seatLimits.js';
import type { Clock } from '../../common/clock.js';
import { notFound } from '../../common/errors.js';
import { type BillingSubscriptionDoc, billedPeriodOf, ENDED } from '../../models/billingSubscription.js';
import type { Models } from '../../models/models.js';
import type { TenantContract, TenantDoc } from '../../models/tenant.js';
import { createLoadingCache } from '../infrastructure/loadingCache.js';
import { type OverageTerms } from './overage.js';
import type { Tiers } from './tiers.js';

/** What limits a tenant's calls. */
export interface CallLimits extends Pick<TierLimits, 'apiCallsPerDay' | 'apiCallsPerMinute'> {
  /** How many calls beyond the daily quotas the tenant pays for in a UTC month; 0: none. */
  overageCallsPerMonth: number;
  /** What such calls cost, and when they are billed; absent or null if none are sold. */
  overageTerms?: OverageTerms | null;
}

/** What gives a tenant its tier. */
export enum TierSource {
  CONTRACT = 'CONTRACT',
  SUBSCRIPTION = 'SUBSCRIPTION',
  GRACE_PERIOD = 'GRACE_PERIOD',
  DEFAULT = 'DEFAULT',
}

/** What a tenant may do now. */
export interface Entitlement {
  tenantId: string;
  /** Under which name it is stored. */
  tier: string;
  /** What people and clients call the tier. */
  tierName: string;
  source: TierSource;
  /** The version of the tier that was bought. */
  tierVersion: number;
  limits: TierLimits;
  /** The limits that a contract sets in place of the tier's. */
  overrides: Partial<TierLimits>;
  /** The limits for admission. */
  callLimits: CallLimits;
  /** Calls beyond the daily quota: their price, and the monthly cap that the tenant has opted into. */
  overage: { price: OveragePrice; monthlyCapCents: number | null; currency: string };
  features: ReadonlySet<string>;
  /** When it ends by itself, with the grace period of a failed payment or the overrides of a contract. */
  endsAt: Date | null;
  /** When its tier ends by itself. */
  tierEndsAt: Date | null;
  /** null: the tenant is not suspended. */
  suspendedAt: Date | null;
}

export interface Entitlements {
  /** Reads the database only if the tenant is not cached or has changed. @throws NOT_FOUND, also for an erased tenant */
  get(tenantId: string): Promise<Entitlement>;
  /** Applies the same rule to documents that are already loaded. */
  derive(tenant: TenantDoc, subscription: BillingSubscriptionDoc | null): Entitlement;
  /** Whether the overrides of a contract apply now. */
  isInForce(contract: TenantContract): boolean;
  /** When the grace period of a failed payment ends or ended; null if no payment is overdue. */
  graceEndsAt(subscription: BillingSubscriptionDoc | null): Date | null;
  /** Call this when the tenant's contract or subscription has changed. */
  forget(tenantId: string): void;
  forgetAll(): void;
}

interface Bought {
  tier: string;
  source: TierSource;
  /** Absent: the current version. */
  version?: number;
  /** Absent: one. */
  seats?: number;
  /** Overrides of a contract in the subscription's metadata. */
  limits: Partial<TierLimits>;
  endsAt: Date | null;
}

/** The span in which overage is billed now. */
function billedSpan(subscription: BillingSubscriptionDoc | null) {
  const since = Math.min(...(subscription?.overageItems ?? []).map((item) => item.since.getTime()));
  const { start, end } = subscription ? billedPeriodOf(subscription) : {};
  if (!start || !Number.isFinite(since)) return { billedFromMs: 0, billedUntilMs: null };
  return { billedFromMs: Math.max(start.getTime(), since), billedUntilMs: end?.getTime() ?? null };
}

const NO_CONTRACT: TenantContract = { tier: null };
const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 50_000;
const DAY_MS = 86_400_000;

export function createEntitlements(deps: {
  models: Models;
  clock: Clock;
  tiers: Tiers;
  graceDays: number;
}): Entitlements {
  const { models, clock, tiers, graceDays } = deps;

  function graceEndsAt(subscription: BillingSubscriptionDoc | null): Date | null {
    const since = subscription?.status === 'past_due' ? subscription.pastDueSince : null;
    return since && new Date(since.getTime() + graceDays * DAY_MS);
  }

  /** active and trialing grant the tier; past_due keeps it for the grace period; other states grant the default tier. */
  function bought(subscription: BillingSubscriptionDoc | null): Bought {
    const nothing: Bought = {
      tier: tiers.defaultTier.name,
      source: TierSource.DEFAULT,
      limits: {},
      endsAt: null,
    };
    if (!subscription || !tiers.has(subscription.tier)) return nothing;
    const { tier, status, tierVersion: version, quantity: seats } = subscription;
    const limits = subscription.limits ?? {};
    switch (status) {
      case 'active':
      case 'trialing':
        return { tier, source: TierSource.SUBSCRIPTION, version, seats, limits, endsAt: null };
      case 'past_due': {
        const endsAt = graceEndsAt(subscription);
        return endsAt && endsAt.getTime() > clock.now()
          ? { tier, source: TierSource.GRACE_PERIOD, version, seats, limits, endsAt }
          : nothing;
      }
      case 'incomplete':
      case 'incomplete_expired':
      case 'canceled':
      case 'unpaid':
      case 'paused':
        return nothing;
    }
  }

  const isInForce = ({ until }: TenantContract): boolean => !until || until.getTime() > clock.now();

  function derive(tenant: TenantDoc, subscription: BillingSubscriptionDoc | null): Entitlement {
    const contract = isInForce(tenant.contract) ? tenant.contract : NO_CONTRACT;
    const { tier: contractTier, limits = {}, until = null } = contract;
    const granted: Bought = {
      tier: contractTier ?? '',
      source: TierSource.CONTRACT,
      limits: {},
      endsAt: null,
    };
    const held = tiers.has(granted.tier) ? granted : bought(subscription);
    const { tier, source, version, seats = 1, limits: boughtLimits, endsAt } = held;
    const definition = tiers.get(tier, version);
    const tierLimits = limitsFor(definition, seats);
    const overrides = {
      ...boughtLimits,
      ...limits,
      stored: { ...boughtLimits.stored, ...limits.stored },
    };
    const stored = { ...tierLimits.stored, ...overrides.stored };
    const ownLimits = { ...tierLimits, ...overrides, stored };
    const { apiCallsPerDay, apiCallsPerMinute } = ownLimits;
    const monthlyCapCents = tenant.overage?.monthlyCapCents ?? null;
    const currency = subscription?.itemPrice?.currency ?? tiers.catalogue.currency;
    const price = unbilledBecause(subscription, clock.now()) ? null : tiers.getOverage(tier, currency);
    const overageCallsPerMonth = callsFor(monthlyCapCents ?? 0, price);
    return {
      tenantId: tenant._id,
      tier,
      tierName: tiers.publicNameOf(tier),
      source,
      tierVersion: definition.version,
      limits: ownLimits,
      overrides,
      callLimits: {
        apiCallsPerDay,
        apiCallsPerMinute,
        overageCallsPerMonth,
        overageTerms: price && { price, ...billedSpan(subscription) },
      },
      overage: { price, monthlyCapCents, currency },
      features: new Set(definition.features),
      endsAt: earlierOf(endsAt, until),
      tierEndsAt: source === TierSource.CONTRACT ? until : endsAt,
      suspendedAt: tenant.suspendedAt ?? null,
    };
  }

  async function load(tenantId: string): Promise<Entitlement> {
    const [tenant, subscription] = await Promise.all([
      models.tenants.findById(tenantId).lean<TenantDoc>(),
      models.billingSubscriptions.findById(tenantId).lean<BillingSubscriptionDoc>(),
    ]);
    if (!tenant || tenant.erasure) throw notFound(`Tenant ${tenantId}`);
    return derive(tenant, subscription);
  }

  const cache = createLoadingCache<Entitlement>({
    clock,
    maxEntries: MAX_REMEMBERED,
    load,
    validUntil: ({ endsAt }, now) =>
      Math.min(now + REMEMBER_MS, endsAt?.getTime() ?? Number.POSITIVE_INFINITY),
  });

  return { get: cache.get, derive, isInForce, graceEndsAt, forget: cache.forget, forgetAll: cache.clear };
}

/**
 * Why nothing that a tenant uses now is billed; null: it is. A pause ends by the clock, even if Stripe's event about that
 * is late.
 */
function unbilledBecause(
  subscription: Pick<BillingSubscriptionDoc, 'status' | 'pause'> | null,
  nowMs: number,
): 'trial' | 'pause' | null {
  if (!subscription || ENDED.includes(subscription.status)) return null;
  const { status, pause } = subscription;
  if (status === 'trialing') return 'trial';
  return pause && (!pause.resumesAt || pause.resumesAt.getTime() > nowMs) ? 'pause' : null;
}

const earlierOf = (a: Date | null, b: Date | null): Date | null => (a && b ? (a < b ? a : b) : (a ?? b));
