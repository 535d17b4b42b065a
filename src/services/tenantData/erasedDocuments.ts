import type { Models } from '../../models/models.js';
import { OutgoingEventType } from '../../models/outgoingWebhook.js';
import { UsageReportStatus } from '../../models/usageReport.js';
import { ERASED_PAYLOAD, WebhookEventStatus } from '../../models/webhookEvent.js';
import type { AuditLog } from '../audit/auditLog.js';
import { type CollectionName, type DataSubject, subjectOf, TENANT_DOCUMENTS } from './tenantDocuments.js';

interface ErasureOf {
  models: Models;
  auditLog: AuditLog;
  tenantId: string;
  startedAt: Date;
  /** E-mail addresses to look for. */
  emails: readonly string[];
  /** Whether everything was done once before. */
  isLast: boolean;
  now: () => Date;
  /** Called before each batch. It throws if the erasure is not to go on here. */
  proceed: () => Promise<void>;
}

const BATCH = 500;

/** These events name ids, tiers and times alone, and tell the operator's systems how the tenant ended. */
const IMPERSONAL_EVENTS = [
  OutgoingEventType.TIER_CHANGED,
  OutgoingEventType.SUBSCRIPTION_UPDATED,
  OutgoingEventType.TENANT_ERASED,
];

/**
 * Erases the documents of a tenant whose customer at Stripe is gone. docs/decisions/0044-erasure.md says what stays and why.
 * @throws Error while something still has to be counted
 */
export async function eraseDocuments(erasure: ErasureOf): Promise<void> {
  const { models, auditLog, tenantId, startedAt, emails, isLast, now, proceed } = erasure;
  const subject = await subjectOf(models, tenantId);
  const byPrefix = { _id: { $gte: `${tenantId}:`, $lt: `${tenantId};` } };

  async function inBatches(
    name: CollectionName,
    filter: object,
    handle: (ids: string[]) => Promise<unknown>,
  ): Promise<void> {
    const { collection } = models[name];
    for (;;) {
      await proceed();
      const found = await collection
        .find(filter, { projection: { _id: 1 } })
        .limit(BATCH)
        .toArray();
      if (found.length > 0) await handle(found.map(({ _id }) => String(_id)));
      if (found.length < BATCH) return;
    }
  }

  const remove = (name: CollectionName, filter: object) =>
    inBatches(name, filter, (ids) => models[name].collection.deleteMany({ _id: { $in: ids as never[] } }));

  /** Only content goes: a known id keeps an event from being applied again. */
  const blank = (ids: string[]) =>
    models.webhookEvents.collection.updateMany(
      { _id: { $in: ids as never[] } },
      { $set: { payload: ERASED_PAYLOAD, lastError: null }, $unset: { unannounced: '', announceRetry: '' } },
    );

  /**
   * A dispute, for example, contains an e-mail address and names no customer. Only a whole text is an address: that of
   * another tenant may end with it. What is still to be applied keeps its content until the last time.
   */
  async function blankUnassigned({ customerIds }: DataSubject): Promise<void> {
    const quoted = emails.map((email) => JSON.stringify(email));
    const wanted = [tenantId, ...customerIds, ...quoted].map((text) => text.replace(/[^\w\s]/gu, '\\$&'));
    const payload = { $regex: wanted.join('|'), $options: 'i' };
    const state = isLast ? {} : { state: { $ne: WebhookEventStatus.PENDING } };
    await inBatches('webhookEvents', { customer: null, payload, ...state }, blank);
  }

  /** Events that a crash left uncounted are counted within a minute. */
  async function removeCountedEvents(): Promise<void> {
    await remove('usageEventBatches', { tenantId, uncounted: { $exists: false } });
    if (await models.usageEventBatches.exists({ tenantId }))
      throw new Error('Some usage events are not counted yet');
  }

  // First, because a transaction that stores commits its reservation there: without it, nothing is stored any more.
  await models.ledgers.updateOne(
    { _id: tenantId },
    { $set: { levels: {}, reservations: [], dimensions: null } },
  );
  for (const [name, documents] of Object.entries(TENANT_DOCUMENTS)) {
    if (typeof documents !== 'string' && documents.erased === 'DELETED')
      await remove(name as CollectionName, documents.of(subject));
  }
  await remove('webhookDeliveries', {
    tenantId,
    $or: [{ at: { $lt: startedAt } }, { type: { $nin: IMPERSONAL_EVENTS } }],
  });
  await models.billingCustomers.updateOne(
    { _id: tenantId },
    { $set: { email: null, openCheckout: null, paymentMethodAttachedAt: null, erasedAt: now() } },
  );
  // Otherwise reports of the same calls would be written again.
  await models.ledgers.updateOne(
    { _id: tenantId },
    { $unset: { 'today.overageLedger': 1, 'ended.overageLedger': 1 } },
  );
  await models.usageDays.updateMany({ ...byPrefix, overageLedger: 'OPEN' }, { $unset: { overageLedger: 1 } });
  await models.usageReports.updateMany(
    { ...byPrefix, nextTryAt: { $exists: true } },
    {
      $set: { status: UsageReportStatus.FAILED, error: 'the tenant was erased before Stripe had it' },
      $unset: { nextTryAt: 1 },
    },
  );
  if (subject.customerIds.length > 0)
    await inBatches(
      'webhookEvents',
      { customer: { $in: subject.customerIds }, payload: { $ne: ERASED_PAYLOAD } },
      blank,
    );
  await blankUnassigned(subject);
  await auditLog.erasePersonalValues(tenantId);
  await removeCountedEvents();
}
