import type { ClientSession } from 'mongoose';
import type { Clock } from '../../common/clock.js';
import { badInput, notFound } from '../../common/errors.js';
import type { Models } from '../../models/models.js';
import { searchTermsOf, type TenantDoc } from '../../models/tenant.js';
import type { AuditedFields } from '../audit/auditedFields.js';
import type { AuditLog } from '../audit/auditLog.js';
import type { Author } from '../audit/author.js';
import { isDuplicateKey } from '../infrastructure/databaseErrors.js';

/** What is left out stays as it is. */
export interface TenantUpdate {
  name?: string | null | undefined;
  /** null: none. */
  email?: string | null | undefined;
  /** null: none. */
  externalId?: string | null | undefined;
}

/** Renames, suspends and reinstates tenants. Repeating a request changes nothing. */
export interface TenantLifecycle {
  /** @throws BAD_USER_INPUT if another tenant has the external id, or nothing is to be changed; NOT_FOUND */
  update(tenantId: string, update: TenantUpdate, author: Author): Promise<TenantDoc>;
  /**
   * From now on, metered operations are rejected on every instance.
   * @param reason for operators; undefined: that of an earlier suspension stays
   */
  suspend(tenantId: string, reason: string | null | undefined, author: Author): Promise<TenantDoc>;
  reinstate(tenantId: string, author: Author): Promise<TenantDoc>;
}

/** A reason may name people. */
const PERSONAL = ['name', 'email', 'externalId', 'reason'] as const;

export function createTenantLifecycle(deps: {
  models: Models;
  clock: Clock;
  auditLog: AuditLog;
  /** Called when the tenant's limits may have changed. */
  changed: (tenantId: string) => void;
}): TenantLifecycle {
  const { models, clock, auditLog, changed } = deps;

  async function read(tenantId: string, session: ClientSession): Promise<TenantDoc> {
    const tenant = await models.tenants.findById(tenantId, null, { session }).lean<TenantDoc>();
    if (!tenant || tenant.erasure) throw notFound(`Tenant ${tenantId}`);
    return tenant;
  }

  /**
   * Changes a tenant and notes it, in one transaction.
   * @param plan what to write, from the stored tenant; null: nothing
   * @param shown the fields of the audit entry
   */
  async function change(
    tenantId: string,
    author: Author,
    action: `${string}.${string}`,
    plan: (tenant: TenantDoc) => Record<'$set' | '$unset', object> | null,
    shown: (tenant: TenantDoc) => AuditedFields,
  ): Promise<TenantDoc> {
    const stored = await auditLog.change(author, async (session, note) => {
      const before = await read(tenantId, session);
      const update = plan(before);
      if (!update) return before;
      await models.tenants.updateOne({ _id: tenantId }, update, { session });
      const after = await read(tenantId, session);
      note({ tenantId, action, before: shown(before), after: shown(after), personal: PERSONAL });
      return after;
    });
    changed(tenantId);
    return stored;
  }

  const suspension = ({ suspendedAt, suspendedReason }: TenantDoc): AuditedFields => ({
    suspendedAt: suspendedAt ?? null,
    reason: suspendedReason ?? null,
  });

  return {
    async update(tenantId, { name, email, externalId }, author) {
      if (name === null) throw badInput('input.name', 'must not be null: a tenant has a name');
      const set = {
        ...(name !== undefined && { name }),
        ...(email !== undefined && { email }),
        ...(externalId != null && { externalId }),
      };
      const unset = externalId === null ? { externalId: '' } : {};
      if (Object.keys({ ...set, ...unset }).length === 0) throw badInput('input', 'names nothing to change');
      try {
        return await change(
          tenantId,
          author,
          'tenant.updated',
          (tenant) => ({
            $set: {
              ...set,
              searchTerms: searchTermsOf({ ...tenant, ...set, ...(externalId === null && { externalId }) }),
            },
            $unset: unset,
          }),
          (tenant) => ({ name: tenant.name, email: tenant.email, externalId: tenant.externalId ?? null }),
        );
      } catch (error) {
        if (isDuplicateKey(error)) throw badInput('input.externalId', 'belongs to another tenant');
        throw error;
      }
    },

    suspend: (tenantId, reason, author) =>
      change(
        tenantId,
        author,
        'tenant.suspended',
        ({ suspendedAt, suspendedReason = null }) => {
          if (suspendedAt && (reason === undefined || reason === suspendedReason)) return null;
          const at = suspendedAt ?? new Date(clock.now());
          return { $set: { suspendedAt: at, suspendedReason: reason ?? null }, $unset: {} };
        },
        suspension,
      ),

    reinstate: (tenantId, author) =>
      change(
        tenantId,
        author,
        'tenant.reinstated',
        ({ suspendedAt }) =>
          suspendedAt ? { $set: {}, $unset: { suspendedAt: '', suspendedReason: '' } } : null,
        suspension,
      ),
  };
}
