import type { mongo } from 'mongoose';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { notFound } from '../../common/errors.js';
import type { ApiKeyDoc } from '../../models/apiKey.js';
import type { BillingCustomerDoc } from '../../models/billingCustomer.js';
import type { Models } from '../../models/models.js';
import type { Erasure, TenantDoc } from '../../models/tenant.js';
import type { Authenticator } from '../accounts/authenticator.js';
import type { AuditLog } from '../audit/auditLog.js';
import type { Author } from '../audit/author.js';
import type { CustomerErasure } from '../billing/customers/customerErasure.js';
import { describeFailure } from '../billing/stripe/stripeErrors.js';
import type { Lease } from '../infrastructure/lease.js';
import { createLeasedPasses } from '../infrastructure/leasedPasses.js';
import { eraseDocuments } from './erasedDocuments.js';

export enum TenantErasureStatus {
  RUNNING = 'RUNNING',
  RETRYING = 'RETRYING',
  COMPLETED = 'COMPLETED',
}

export function statusOf({ completedAt, error }: Erasure): TenantErasureStatus {
  if (completedAt) return TenantErasureStatus.COMPLETED;
  return error ? TenantErasureStatus.RETRYING : TenantErasureStatus.RUNNING;
}

/**
 * Erases tenants. One transaction closes the tenant: its keys and its personal fields are gone. The rest is done in the
 * background by one instance at a time, twice: the second time when no operation can be running that began before.
 */
export interface Erasures {
  /** Begins an erasure. For a tenant that is being erased, or was, nothing changes. */
  begin(tenantId: string, author: Author): Promise<TenantDoc>;
  start(): void;
  /** Works on what is due. */
  run(): Promise<void>;
  stop(): Promise<void>;
}

const RUN_MS = 5_000;
const PAGE = 20;
/** Longer than an operation lasts (120 s), and than caches remember a tenant (60 s). */
const QUIET_MS = 150_000;
const FIRST_RETRY_MS = 5_000;
const MAX_RETRY_MS = 10 * 60_000;
/** Stripe finalizes an invoice after an hour. One that is a draft for longer is not waited for. */
const MAX_INVOICE_WAIT_MS = 3 * 86_400_000;

export function createErasures(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  auditLog: AuditLog;
  authenticator: Pick<Authenticator, 'forget'>;
  customerErasure: CustomerErasure;
  lease: Lease;
  /** Clears the caches of a tenant on this instance. */
  tenantChanged: (tenantId: string) => void;
}): Erasures {
  const { models, clock, log, auditLog, authenticator, customerErasure, lease, tenantChanged } = deps;
  const tenants = models.connection.collection<TenantDoc>(models.tenants.collection.name);
  const passes = createLeasedPasses({
    lease,
    everyMs: RUN_MS,
    log,
    failedEvent: 'erasure.pass_failed',
    pass,
  });

  async function close(
    tenant: TenantDoc,
    session: mongo.ClientSession,
  ): Promise<{ tombstone: TenantDoc; keyIds: string[] }> {
    const { _id, email, createdAt } = tenant;
    const customer = await models.billingCustomers
      .findById(_id, { email: 1 }, { session })
      .lean<BillingCustomerDoc>();
    const keys = await models.apiKeys.find({ tenantId: _id }, { _id: 1 }, { session }).lean<ApiKeyDoc[]>();
    const now = new Date(clock.now());
    const erasure: Erasure = {
      startedAt: now,
      doneOnceAt: null,
      completedAt: null,
      nextTryAt: now,
      tries: 0,
      error: null,
      emails: [...new Set([email ?? [], customer?.email ?? []].flat())],
    };
    const tombstone = tombstoneOf({ _id, createdAt, erasure });
    await tenants.replaceOne({ _id }, tombstone, { session });
    await models.apiKeys.deleteMany({ tenantId: _id }, { session });
    return { tombstone, keyIds: keys.map((key) => key._id) };
  }

  /** Every step may be repeated. What is written meanwhile by operations that began before is erased the next time. */
  async function erase({ _id: tenantId, erasure }: Erased): Promise<void> {
    const { startedAt, doneOnceAt, emails = [] } = erasure;
    await customerErasure.erase(tenantId, clock.now() < startedAt.getTime() + MAX_INVOICE_WAIT_MS);
    await eraseDocuments({
      models,
      auditLog,
      tenantId,
      startedAt,
      emails,
      isLast: doneOnceAt !== null,
      now: () => new Date(clock.now()),
      async proceed() {
        if (!(await passes.mayGoOn())) throw new Error('Another instance goes on with the erasure');
      },
    });
  }

  /** Bypasses mongoose, whose hook would publish the write. */
  const note = ({ _id }: Erased, changes: Partial<Erasure>) =>
    tenants.updateOne(
      { _id, 'erasure.completedAt': null },
      {
        $set: Object.fromEntries(Object.entries(changes).map(([name, value]) => [`erasure.${name}`, value])),
      },
    );

  async function doneOnce(tenant: Erased): Promise<void> {
    const nextTryAt = new Date(tenant.erasure.startedAt.getTime() + QUIET_MS);
    await note(tenant, { doneOnceAt: new Date(clock.now()), nextTryAt, tries: 0, error: null });
  }

  /** Something may have changed the tenant after it was closed, so it is replaced again. */
  async function complete({ _id, createdAt, erasure }: Erased): Promise<void> {
    const { startedAt, doneOnceAt } = erasure;
    const completedAt = new Date(clock.now());
    const completed = { startedAt, doneOnceAt, completedAt, tries: 0, error: null };
    await tenants.replaceOne({ _id }, tombstoneOf({ _id, createdAt, erasure: completed }));
    log.info({ tenantId: _id, ms: completedAt.getTime() - startedAt.getTime() }, 'erasure.completed');
  }

  async function workOn(tenant: Erased): Promise<void> {
    const { _id: tenantId, erasure } = tenant;
    try {
      await erase(tenant);
      await (erasure.doneOnceAt === null ? doneOnce(tenant) : complete(tenant));
    } catch (error) {
      if (!(await passes.mayGoOn())) return;
      const tries = erasure.tries + 1;
      const waitMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(tries - 1, 20), MAX_RETRY_MS);
      log.warn({ err: error, tenantId, tries }, 'erasure.retry');
      await note(tenant, {
        tries,
        error: describeFailure(error),
        nextTryAt: new Date(clock.now() + waitMs),
      });
    }
  }

  async function pass(): Promise<void> {
    while (await passes.mayGoOn()) {
      const due = await models.tenants
        .find({ 'erasure.nextTryAt': { $lte: new Date(clock.now()) } })
        .sort({ 'erasure.nextTryAt': 1 })
        .limit(PAGE)
        .lean<Erased[]>();
      for (const tenant of due) if (!passes.isStopping()) await workOn(tenant);
      if (due.length === 0) return;
    }
  }

  return {
    async begin(tenantId, author) {
      const closed = await auditLog.change(author, async (session, noteChange) => {
        const tenant = await models.tenants.findById(tenantId, null, { session }).lean<TenantDoc>();
        if (!tenant) throw notFound(`Tenant ${tenantId}`);
        if (tenant.erasure) return { tombstone: tenant, keyIds: [] };
        const begun = await close(tenant, session);
        noteChange({ tenantId, action: 'tenant.erased', before: { keyIds: begun.keyIds }, after: null });
        return begun;
      });
      for (const keyId of closed.keyIds) authenticator.forget(keyId);
      tenantChanged(tenantId);
      passes.wake();
      return closed.tombstone;
    },
    run: passes.run,
    start: passes.start,
    stop: passes.stop,
  };
}

type Erased = TenantDoc & { erasure: Erasure };

/** All that is left of a tenant. A field that is added to tenants is not in it. */
const tombstoneOf = (left: Pick<Erased, '_id' | 'createdAt' | 'erasure'>): TenantDoc => ({
  ...left,
  name: '',
  email: null,
  contract: { tier: null, limits: {} },
  searchTerms: [],
  unannounced: true,
});
