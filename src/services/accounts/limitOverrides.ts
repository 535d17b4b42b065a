import type { LimitOverrides as LimitChanges } from '../../catalogue/catalogue.js';
import type { Clock } from '../../common/clock.js';
import { badInput, notFound } from '../../common/errors.js';
import type { Models } from '../../models/models.js';
import type { TenantContract, TenantDoc } from '../../models/tenant.js';
import type { AuditedFields } from '../audit/auditedFields.js';
import type { AuditLog } from '../audit/auditLog.js';
import type { Author } from '../audit/author.js';
import { rejectRetired, type Tiers } from '../tiers/tiers.js';

/** What is undefined stays as it is. */
export interface OverridesChange {
  /** null: the tier follows from the subscription again. */
  tier?: string | null | undefined;
  /** null clears all overrides; a limit that is null clears that one. */
  limits?: LimitChanges | null | undefined;
  reason?: string | null | undefined;
  /** When all overrides end; null: never. */
  until?: Date | null | undefined;
}

/** The overrides of contracts. */
export interface LimitOverrides {
  /**
   * Overrides that have ended are replaced as a whole: nothing of them comes back with a new one.
   * @throws BAD_USER_INPUT if nothing is to be changed, the tier is no longer sold, or the end is not in the future;
   *   NOT_FOUND
   */
  set(tenantId: string, change: OverridesChange, author: Author): Promise<TenantDoc>;
}

const NOTHING: TenantContract = { tier: null, limits: {} };

export function createLimitOverrides(deps: {
  models: Models;
  clock: Clock;
  auditLog: AuditLog;
  tiers: Tiers;
  isInForce: (contract: TenantContract) => boolean;
  /** Called when the tenant's limits may have changed. */
  changed: (tenantId: string) => void;
}): LimitOverrides {
  const { models, clock, auditLog, tiers, isInForce, changed } = deps;

  function next(stored: TenantContract, change: OverridesChange, author: Author): TenantContract {
    const base = isInForce(stored) ? stored : NOTHING;
    const tier = change.tier === undefined ? base.tier : change.tier;
    if (tier !== null && tier !== base.tier) rejectRetired(tiers, tier, 'input.');
    const limits = limitsAfter(base.limits ?? {}, change.limits);
    if (tier === null && Object.keys(limits).length === 0) return NOTHING;
    const reason = change.reason === undefined ? (base.reason ?? null) : change.reason;
    const until = change.until === undefined ? (base.until ?? null) : change.until;
    const contract = { tier, limits, reason, until };
    const isSame = JSON.stringify(shown(contract)) === JSON.stringify(shown(stored));
    if (isSame) return stored;
    return {
      ...contract,
      author: author.actor,
      setAt: new Date(clock.now()),
      ...(until && { endUnannounced: true }),
    };
  }

  return {
    async set(tenantId, change, author) {
      const { tier, limits, reason, until } = change;
      const isEmpty = [
        tier,
        reason,
        until,
        limits && Object.values(limits).find((value) => value !== undefined),
      ];
      if (limits !== null && isEmpty.every((value) => value === undefined))
        throw badInput('input', 'names neither a tier nor a limit, nor why or until when');
      if (until && until.getTime() <= clock.now()) throw badInput('input.until', 'must be in the future');
      const stored = await auditLog.change(author, async (session, note) => {
        const before = await models.tenants.findById(tenantId, null, { session }).lean<TenantDoc>();
        if (!before || before.erasure) throw notFound(`Tenant ${tenantId}`);
        const contract = next(before.contract, change, author);
        if (contract === before.contract) return before;
        await models.tenants.updateOne({ _id: tenantId }, { $set: { contract } }, { session });
        note({
          tenantId,
          action: 'limits.changed',
          before: shown(before.contract),
          after: shown(contract),
          // It may name people.
          personal: ['reason'],
        });
        return { ...before, contract };
      });
      changed(tenantId);
      return stored;
    },
  };
}

function limitsAfter(
  stored: TenantContract['limits'],
  changes: LimitChanges | null | undefined,
): NonNullable<TenantContract['limits']> {
  if (changes === null) return {};
  const given = Object.entries(changes ?? {}).filter(([, value]) => value !== undefined);
  const merged = Object.entries({ ...stored, ...Object.fromEntries(given) });
  return Object.fromEntries(merged.filter(([, value]) => value !== null));
}

const shown = ({ tier, limits = {}, reason = null, until = null }: TenantContract): AuditedFields => ({
  tier,
  limits: Object.fromEntries(Object.entries(limits).toSorted(([a], [b]) => (a < b ? -1 : 1))),
  reason,
  until,
});
