import { limitNames, type Setting } from '../../catalogue/catalogue.js';
import { displayNameOf } from '../../catalogue/displayNames.js';
import { finiteLimit } from '../../catalogue/unlimited.js';
import { STORED_LIMITS, type TierLimits } from '../../models/tierLimits.js';
import type { Storage } from '../limits/storage/storage.js';
import type { Entitlement, Entitlements } from '../tiers/entitlements.js';
import type { Tiers } from '../tiers/tiers.js';
import { type Usage, UsagePeriod, type UsageReading } from './usage.js';

export enum EntitlementKind {
  FEATURE = 'FEATURE',
  LIMIT = 'LIMIT',
  STORED = 'STORED',
  SETTING = 'SETTING',
}

/** What says so. */
export enum EntitlementSource {
  TIER = 'TIER',
  TIER_VERSION = 'TIER_VERSION',
  OVERRIDE = 'OVERRIDE',
}

/** One thing that a tenant may do or has. */
export interface ListedEntitlement {
  name: string;
  displayName: string;
  kind: EntitlementKind;
  /** null: unlimited, or no number at all. */
  limit: number | null;
  /** null: not counted. */
  used: number | null;
  remaining: number | null;
  /** The window in which it is counted. */
  window: UsagePeriod | null;
  resetsAt: Date | null;
  /** Of a setting. */
  value: Setting | null;
  source: EntitlementSource;
}

export interface EntitlementList {
  /** Features, limits, what is stored, and settings: at most a few hundred. @throws NOT_FOUND */
  list(tenantId: string): Promise<ListedEntitlement[]>;
}

const NOTHING = { limit: null, used: null, remaining: null, window: null, resetsAt: null, value: null };

export function createEntitlementList(deps: {
  tiers: Tiers;
  entitlements: Entitlements;
  usage: Pick<Usage, 'current'>;
  storage: Pick<Storage, 'stored'>;
  /** Whether memories and embeddings are listed. */
  sampleDomain: boolean;
}): EntitlementList {
  const { tiers, entitlements, usage, storage, sampleDomain } = deps;
  const names = limitNames(sampleDomain);

  function limitsOf({ limits }: Entitlement, readings: readonly UsageReading[], sourceOf: SourceOf) {
    const storedLimits: readonly string[] = Object.values(STORED_LIMITS);
    return names
      .filter((name) => name !== 'stored' && !storedLimits.includes(name))
      .map((name) => {
        const period = PERIODS[name];
        const reading = readings.find((one) => one.period === period);
        return {
          ...NOTHING,
          name,
          kind: EntitlementKind.LIMIT,
          limit: finiteLimit(name, limits[name] as number),
          ...(reading && {
            used: reading.apiCalls,
            remaining: reading.remaining,
            window: reading.period,
            resetsAt: reading.resetsAt,
          }),
          source: sourceOf(name),
        };
      });
  }

  function storedOf(
    { limits }: Entitlement,
    amounts: Readonly<Record<string, number | undefined>>,
    { sourceOf, sourceOfStored }: { sourceOf: SourceOf; sourceOfStored: SourceOf },
  ) {
    const stored = (name: string, limited: number, source: EntitlementSource) => {
      const limit = finiteLimit(name, limited);
      const used = amounts[name] ?? 0;
      const remaining = limit === null ? null : Math.max(0, limit - used);
      return { ...NOTHING, name, kind: EntitlementKind.STORED, limit, used, remaining, source };
    };
    return [
      ...Object.entries(STORED_LIMITS)
        .filter(([, limit]) => names.includes(limit))
        .map(([name, limit]) => stored(name, limits[limit], sourceOf(limit))),
      ...Object.entries(limits.stored).map(([name, limit]) => stored(name, limit, sourceOfStored(name))),
    ];
  }

  return {
    async list(tenantId) {
      const entitlement = await entitlements.get(tenantId);
      const [readings, amounts] = await Promise.all([
        usage.current(
          [UsagePeriod.MINUTE, UsagePeriod.DAY].map((period) => ({ tenantId, period, terms: entitlement })),
        ),
        storage.stored([tenantId]),
      ]);
      const { tier, tierVersion, overrides, features } = entitlement;
      const isPresent = tiers.get(tier).version === tierVersion;
      const own = isPresent ? EntitlementSource.TIER : EntitlementSource.TIER_VERSION;
      const sourceIn = (overridden: object | undefined) => (name: string) =>
        Object.hasOwn(overridden ?? {}, name) ? EntitlementSource.OVERRIDE : own;
      const sources = { sourceOf: sourceIn(overrides), sourceOfStored: sourceIn(overrides.stored) };
      const listed = [
        ...[...features].map((name) => ({ ...NOTHING, name, kind: EntitlementKind.FEATURE, source: own })),
        ...limitsOf(entitlement, readings, sources.sourceOf),
        ...storedOf(entitlement, amounts[0] ?? {}, sources),
        ...Object.entries(tiers.get(tier, tierVersion).settings).map(([name, value]) => ({
          ...NOTHING,
          name,
          kind: EntitlementKind.SETTING,
          value,
          source: own,
        })),
      ];
      return listed.map((one) => ({ ...one, displayName: displayNameOf(tiers.catalogue, one.name) }));
    },
  };
}

type SourceOf = (name: string) => EntitlementSource;

const PERIODS: { readonly [name in keyof TierLimits]?: UsagePeriod } = {
  apiCallsPerDay: UsagePeriod.DAY,
  apiCallsPerMinute: UsagePeriod.MINUTE,
};
