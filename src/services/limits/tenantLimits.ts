import { randomUUID } from 'node:crypto';
import {
  type Concurrency,
  type FieldLimit,
  type OperationCost,
  type Outcome,
  sumOf,
} from '@continuum-billing/limits/core';
import { amountText } from '../../common/amounts.js';
import type { Clock } from '../../common/clock.js';
import {
  type BillingError,
  featureNotAvailable,
  rateLimited,
  storageQuotaExceeded,
  tenantSuspended,
} from '../../common/errors.js';
import type { Entitlement, Entitlements } from '../tiers/entitlements.js';
import type { FieldLimitDecision } from './fieldLimits/fieldLimitDecision.js';
import type { Admission, Decision, Reserved } from './ledger/admission.js';
import { tooLargeExtraction } from './ledger/extractions.js';
import { endOfDay, endOfMinute } from './ledger/windows.js';
import { rateLimitHeaders } from './rateLimitHeaders.js';
import type { Storage } from './storage/storage.js';

/** An operation that may run: what was taken for it, and how to end it. */
export interface Grant {
  tier: string;
  /** How many concurrent requests the tenant may have. */
  concurrentRequests: number;
  /** When its calls were charged; null: it cost none. */
  chargedAtMs: number | null;
  /** Storage reservations, by the root field's name in the answer. */
  reservations: ReadonlyMap<string, Reserved>;
  headers: ReadonlyMap<string, string>;
  /** Returns the calls that failed and ends the reservations. Must be called once, whatever happened. */
  end(outcome: Outcome): Promise<void>;
}

/** A rejected operation, with the rate limit headers of its answer. */
export interface Rejection {
  error: BillingError;
  tier: string;
  headers: ReadonlyMap<string, string>;
}

/** Decides a whole operation before anything of it runs. */
export interface TenantLimits {
  /** The rate limit headers of a metered answer for which nothing was taken. */
  headers(tenantId: string): Promise<ReadonlyMap<string, string>>;
  /**
   * Checks for a suspension, then features, concurrency, storage, calls and field limits, in this order. A rejected
   * operation takes nothing.
   */
  take(cost: OperationCost, tenantId: string): Promise<Grant | Rejection>;
  /** Whether an operation that began may go on: its tenant may have been suspended, or have lost a feature. @returns the error, or null */
  standing(cost: OperationCost, tenantId: string): Promise<BillingError | null>;
  /** Checks the fields' own limits, which all keys of operators share. @returns the error, or null */
  takeAsOperator(fieldLimits: readonly FieldLimit[]): Promise<BillingError | null>;
}

export const isRejection = <G>(outcome: G | Rejection): outcome is Rejection =>
  'error' in (outcome as object);

type CallsRejected = Extract<Decision, { window: unknown }>;
type StorageRejected = Extract<Decision, { storage: unknown }>;

/** No tenant has this id. */
const OPERATOR = 'operator';

export function createTenantLimits(deps: {
  admission: Admission;
  concurrency: Concurrency;
  fieldLimits: FieldLimitDecision;
  storage: Storage;
  entitlements: Entitlements;
  clock: Clock;
  upgradeUrl: () => string;
}): TenantLimits {
  const { admission, concurrency, fieldLimits, storage, entitlements, clock, upgradeUrl } = deps;

  function callsRejection(entitlement: Entitlement, decision: CallsRejected, wanted: number): Rejection {
    const { tier, tierName, limits } = entitlement;
    const { window, used } = decision;
    const limit = window === 'day' ? limits.apiCallsPerDay : limits.apiCallsPerMinute;
    const resetsAt = window === 'day' ? endOfDay(used.atMs) : endOfMinute(used.atMs);
    const remaining = Math.max(0, limit - used[window]);
    const need =
      wanted > 1
        ? `; this operation costs ${wanted}, and ${remaining} ${remaining === 1 ? 'is' : 'are'} left`
        : '';
    const error = rateLimited(
      `Rate limit exceeded (${amountText(limit, 'calls')}/${window})${need}. It resets at ${resetsAt.toISOString()}; ${window === 'day' ? overageHint(entitlement) : ''}upgrade at ${upgradeUrl()}`,
      { limit, window, remaining, requested: wanted, resetsAt, tier: tierName, upgradeUrl: upgradeUrl() },
      (resetsAt.getTime() - clock.now()) / 1000,
    );
    return { error, tier, headers: rateLimitHeaders(entitlement, used) };
  }

  async function concurrencyRejection(entitlement: Entitlement): Promise<Rejection> {
    const { tierName: tier, limits } = entitlement;
    const limit = limits.concurrentRequests;
    const error = rateLimited(
      `Rate limit exceeded (${limit} concurrent request${limit === 1 ? '' : 's'}). Wait for one to end; upgrade at ${upgradeUrl()}`,
      {
        limit,
        window: 'concurrent',
        remaining: 0,
        requested: 1,
        resetsAt: new Date(clock.now() + 1000),
        tier,
        upgradeUrl: upgradeUrl(),
      },
      1,
    );
    return reject(entitlement, error);
  }

  /** Rejects an operation before its calls were counted. */
  async function reject(entitlement: Entitlement, error: BillingError): Promise<Rejection> {
    return { error, tier: entitlement.tier, headers: await knownHeaders(entitlement) };
  }

  async function knownHeaders(entitlement: Entitlement): Promise<ReadonlyMap<string, string>> {
    return rateLimitHeaders(entitlement, await admission.look(entitlement.tenantId));
  }

  function storageRejection(
    entitlement: Entitlement,
    { used, storage: { resource, limit, usage, requested } }: StorageRejected,
  ): Rejection {
    const { tier, tierName } = entitlement;
    const state = `${amountText(usage, resource)} stored, ${amountText(requested, resource)} more requested`;
    const error = storageQuotaExceeded(
      `Storage limit exceeded (${amountText(limit, resource)}): ${state}. Delete something, or upgrade at ${upgradeUrl()}`,
      { resource, limit, usage, requested, tier: tierName, upgradeUrl: upgradeUrl() },
    );
    return { error, tier, headers: rateLimitHeaders(entitlement, used) };
  }

  async function releaseAll(tenantId: string, reserved: Iterable<Reserved>): Promise<void> {
    await Promise.all([...reserved].map(({ id }) => storage.release(tenantId, id)));
  }

  async function takeCallsAndStorage(
    cost: OperationCost,
    entitlement: Entitlement,
  ): Promise<Grant | Rejection> {
    const { tenantId, tier, tierName, callLimits, limits } = entitlement;
    const { charges } = cost;
    const reservations = new Map<string, Reserved>(
      [...cost.stores].map(([rootKey, stored]) => [rootKey, { id: randomUUID(), ...stored }]),
    );
    const reserved = [...reservations.values()];
    const takesNothing = charges.length === 0 && reserved.length === 0;
    const decision = takesNothing
      ? null
      : await admission.admit(
          tenantId,
          { calls: callLimits, storage: limits },
          { charges, ...(reserved.length > 0 && { reserved }) },
        );
    if (decision && !decision.admitted)
      return 'storage' in decision
        ? storageRejection(entitlement, decision)
        : callsRejection(entitlement, decision, sumOf(charges));
    const used = charges.length > 0 ? (decision?.used ?? null) : null;
    try {
      const details = { tier: tierName, upgradeUrl: upgradeUrl() };
      const fieldError = await fieldLimits.take(tenantId, cost.fieldLimits, details);
      if (fieldError) {
        await releaseAll(tenantId, reserved);
        if (used) await admission.returnCalls(tenantId, charges, used);
        return await reject(entitlement, fieldError);
      }
    } catch (error) {
      // Not awaited: while the database is unavailable, the caller gets the error at once.
      if (used) admission.returnCalls(tenantId, charges, used).catch(() => undefined);
      releaseAll(tenantId, reserved).catch(() => undefined);
      throw error;
    }
    return {
      tier,
      concurrentRequests: limits.concurrentRequests,
      chargedAtMs: used?.atMs ?? null,
      reservations,
      headers: used ? rateLimitHeaders(entitlement, used) : new Map(),
      async end({ failed, returned, notStored }) {
        await Promise.all([
          used && returned.length > 0 && admission.returnCalls(tenantId, returned, used),
          ...[...reservations].map(([rootKey, { id, external }]) => {
            if (external && notStored !== 'all' && !notStored.has(rootKey))
              return storage.commitExternal(tenantId, id);
            // Releasing a reservation that was committed does nothing.
            return failed && storage.release(tenantId, id);
          }),
        ]);
      },
    };
  }

  const suspension = ({ suspendedAt }: Entitlement, cost: OperationCost): BillingError | null =>
    suspendedAt && !isFree(cost) ? tenantSuspended(suspendedAt) : null;

  function missingFeature({ features, tierName }: Entitlement, cost: OperationCost): BillingError | null {
    const missing = cost.features.find((feature) => !features.has(feature));
    return missing ? featureNotAvailable(missing, tierName, upgradeUrl()) : null;
  }

  return {
    async standing(cost, tenantId) {
      const entitlement = await entitlements.get(tenantId);
      return suspension(entitlement, cost) ?? missingFeature(entitlement, cost);
    },

    takeAsOperator: (wanted) => fieldLimits.take(OPERATOR, wanted, {}),

    async headers(tenantId) {
      return knownHeaders(await entitlements.get(tenantId));
    },

    async take(cost, tenantId) {
      const entitlement = await entitlements.get(tenantId);
      const barred = suspension(entitlement, cost);
      if (barred) return reject(entitlement, barred);
      const tooLarge = tooLargeExtraction(cost.charges, entitlement, 'operation');
      if (tooLarge) return reject(entitlement, tooLarge);
      const missing = missingFeature(entitlement, cost);
      if (missing) return reject(entitlement, missing);
      if (!cost.concurrent) return takeCallsAndStorage(cost, entitlement);
      const endConcurrency = await concurrency.begin(tenantId, entitlement.limits.concurrentRequests);
      if (!endConcurrency) return concurrencyRejection(entitlement);
      try {
        const outcome = await takeCallsAndStorage(cost, entitlement);
        if (isRejection(outcome)) {
          endConcurrency();
          return outcome;
        }
        const { end } = outcome;
        return {
          ...outcome,
          end(ended) {
            endConcurrency();
            return end(ended);
          },
        };
      } catch (error) {
        endConcurrency();
        throw error;
      }
    },
  };
}

/** Whether only fields' own limits apply, as they do to what a suspended tenant pays with. */
const isFree = ({ charges, features, stores, concurrent }: OperationCost): boolean =>
  !concurrent && charges.length === 0 && features.length === 0 && stores.size === 0;

/** Past the day's quota a tenant can buy overage, or has used up what it allowed. */
function overageHint({ overage, callLimits }: Entitlement): string {
  if (!overage.price) return '';
  return overage.monthlyCapCents === null
    ? 'let calls go on for a price with setOverage, or '
    : `the month's overage of ${callLimits.overageCallsPerMonth} calls is used up: raise its cap with setOverage, or `;
}
