import type { Logger } from 'pino';
import type Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import type { BillingSubscriptionDoc } from '../../../models/billingSubscription.js';
import type { Models } from '../../../models/models.js';
import { changedFields } from '../../audit/auditedFields.js';
import type { AuditLog, Change } from '../../audit/auditLog.js';
import type { Author } from '../../audit/author.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';
import type { PaymentFailures } from './paymentFailures.js';
import { diffFields } from './subscriptionDiff.js';
import type { SubscriptionReader, SubscriptionState } from './subscriptionState.js';

/** What became of a customer's events. */
export type SyncOutcome =
  /** @property note what an operator should know about the written state */
  { kind: 'written'; note: string | null } | { kind: 'ignored'; reason: string };

/** Writes the state of subscriptions, on the condition that nothing else wrote since. */
export interface SubscriptionWriter {
  /**
   * Writes a subscription as Stripe showed it.
   * @param stored what was stored before Stripe was asked
   * @param asOf when Stripe showed it, by its clock; null: now
   * @returns the written state; null if something else wrote since `stored` was read
   */
  write(
    tenantId: string,
    stored: BillingSubscriptionDoc | null,
    subscription: Stripe.Subscription,
    asOf: Date | null,
    author: Author,
  ): Promise<SubscriptionState | null>;
  /** Like `write`, for a state that was read from a subscription. */
  writeState(
    tenantId: string,
    stored: BillingSubscriptionDoc | null,
    state: SubscriptionState,
    asOf: Date | null,
    author: Author,
  ): Promise<boolean>;
}

export function createSubscriptionWriter(deps: {
  models: Models;
  reader: SubscriptionReader;
  failures: PaymentFailures;
  auditLog: AuditLog;
  clock: Clock;
  log: Logger;
  /** Called when a tenant's tier may have changed. */
  changed: (tenantId: string) => void;
}): SubscriptionWriter {
  const { models, reader, failures, auditLog, clock, log, changed } = deps;
  const subscriptions = models.billingSubscriptions;

  const writeState: SubscriptionWriter['writeState'] = async (tenantId, stored, state, at, author) => {
    const asOf = at ?? new Date(clock.now());
    if (stored && diffFields(stored, state).length === 0) return confirm(stored, asOf);
    try {
      // Only a changed state pays for a transaction.
      const isWritten = await auditLog.change(author, async (session, note) => {
        const result = stored
          ? await subscriptions.updateOne(
              { _id: tenantId, revision: stored.revision },
              { $set: { ...state, asOf }, $inc: { revision: 1 } },
              { session },
            )
          : await subscriptions.updateOne(
              { _id: tenantId, revision: 1 },
              { $setOnInsert: { ...state, asOf } },
              { upsert: true, session },
            );
        const isDone = stored ? result.matchedCount === 1 : result.upsertedCount === 1;
        if (isDone) note(subscriptionChange(tenantId, stored, state));
        return isDone;
      });
      if (isWritten) changed(tenantId);
      if (isWritten && state.outsideCatalogue) {
        const { stripeSubscriptionId, priceId, tier } = state;
        log.warn({ tenantId, stripeSubscriptionId, priceId, tier }, 'subscription.outside_catalogue');
      }
      return isWritten;
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
  };

  /**
   * Raises the revision of an unchanged subscription, so that nobody writes an older state after this one. It bypasses
   * mongoose, whose hook would publish the write.
   * @returns false if something else wrote since
   */
  async function confirm({ _id, revision }: BillingSubscriptionDoc, asOf: Date): Promise<boolean> {
    const unchanged = { _id: _id as never, revision };
    const confirmed = { $max: { asOf }, $inc: { revision: 1 } };
    const result = await subscriptions.collection.updateOne(unchanged, confirmed);
    return result.matchedCount === 1;
  }

  return {
    writeState,

    async write(tenantId, stored, subscription, asOf, author) {
      const failedAt = subscription.status === 'past_due' ? await failures.firstOf(subscription.id) : null;
      const state = await reader.stateOf(subscription, stored, failedAt);
      return (await writeState(tenantId, stored, state, asOf, author)) ? state : null;
    },
  };
}

export function subscriptionChange(
  tenantId: string,
  before: BillingSubscriptionDoc | null,
  after: Partial<BillingSubscriptionDoc>,
): Change {
  const audited = auditedState(after);
  if (!before) return { tenantId, action: 'subscription.created', before: null, after: audited };
  const [from, to] = changedFields(auditedState(before), audited);
  return { tenantId, action: 'subscription.changed', before: from, after: to };
}

/** The state at Stripe, without what this server keeps for itself. */
function auditedState(state: Partial<BillingSubscriptionDoc>) {
  const { _id, asOf, revision, createdAt, updatedAt, unannounced, announceRetry, ...rest } = state;
  return rest;
}
