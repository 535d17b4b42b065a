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
  /**
   * Writes the states of several tenants, in one transaction if nothing else wrote meanwhile, and otherwise each by itself.
   * @returns for each whether it was written
   */
  writeAll(writes: readonly StateWrite[]): Promise<boolean[]>;
}

/** The state of a tenant's subscription, as it was read from Stripe's object. */
export interface StateWrite {
  tenantId: string;
  /** What was stored before Stripe was asked. */
  stored: BillingSubscriptionDoc | null;
  state: SubscriptionState;
  /** When Stripe showed it, by its clock; null: now. */
  asOf: Date | null;
  author: Author;
}

/** Something else wrote since the states were read. */
class Superseded extends Error {}

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

  const asOfOr = (at: Date | null): Date => at ?? new Date(clock.now());
  const isConfirmed = ({ stored, state }: StateWrite): boolean =>
    stored !== null && diffFields(stored, state).length === 0;

  const operationOf = ({ tenantId, stored, state, asOf: at }: StateWrite) => {
    const asOf = asOfOr(at);
    // A bulk write passes by the hook that marks a change as pending in the outbox.
    const unannounced = true as const;
    return {
      updateOne: stored
        ? {
            filter: { _id: tenantId, revision: stored.revision },
            update: { $set: { ...state, asOf, unannounced }, $inc: { revision: 1 } },
          }
        : {
            filter: { _id: tenantId, revision: 1 },
            update: { $setOnInsert: { ...state, asOf, unannounced } },
            upsert: true,
          },
    };
  };

  /** Only changed states pay for a transaction. @returns false if something else wrote */
  async function writeChanged(writes: readonly StateWrite[]): Promise<boolean> {
    try {
      const { author } = writes[0] as StateWrite;
      await auditLog.change(author, async (session, note) => {
        const operations = writes.map(operationOf);
        const { matchedCount, upsertedCount } = await subscriptions.bulkWrite(operations, { session });
        const updates = writes.filter(({ stored }) => stored).length;
        if (matchedCount < updates || upsertedCount < writes.length - updates) throw new Superseded();
        for (const { tenantId, stored, state, author } of writes)
          note({ ...subscriptionChange(tenantId, stored, state), author });
      });
    } catch (error) {
      if (error instanceof Superseded || isDuplicateKey(error)) return false;
      throw error;
    }
    for (const { tenantId, state } of writes) {
      changed(tenantId);
      if (!state.outsideCatalogue) continue;
      const { stripeSubscriptionId, priceId, tier } = state;
      log.warn({ tenantId, stripeSubscriptionId, priceId, tier }, 'subscription.outside_catalogue');
    }
    return true;
  }

  /**
   * Raises the revision of unchanged subscriptions, so that nobody writes an older state after this one. It bypasses
   * mongoose, whose hook would publish the writes.
   * @returns false if something else wrote since one of them was read
   */
  async function confirm(writes: readonly StateWrite[]): Promise<boolean> {
    const operations = writes.map(({ tenantId, stored, asOf }) => ({
      updateOne: {
        filter: { _id: tenantId as never, revision: stored?.revision },
        update: { $max: { asOf: asOfOr(asOf) }, $inc: { revision: 1 } },
      },
    }));
    const { matchedCount } = await subscriptions.collection.bulkWrite(operations as never[]);
    return matchedCount === writes.length;
  }

  async function writeTogether(
    writes: readonly StateWrite[],
    work: (writes: readonly StateWrite[]) => Promise<boolean>,
  ): Promise<Set<StateWrite>> {
    if (writes.length === 0) return new Set();
    if (await work(writes)) return new Set(writes);
    if (writes.length === 1) return new Set();
    const written = new Set<StateWrite>();
    for (const one of writes) if (await work([one])) written.add(one);
    return written;
  }

  const writeAll: SubscriptionWriter['writeAll'] = async (writes) => {
    const confirmed = await writeTogether(writes.filter(isConfirmed), confirm);
    const written = await writeTogether(
      writes.filter((one) => !isConfirmed(one)),
      writeChanged,
    );
    return writes.map((one) => confirmed.has(one) || written.has(one));
  };

  return {
    writeAll,

    async write(tenantId, stored, subscription, asOf, author) {
      const failedAt = subscription.status === 'past_due' ? await failures.firstOf(subscription.id) : null;
      const state = await reader.stateOf(subscription, stored, failedAt);
      const [isWritten] = await writeAll([{ tenantId, stored, state, asOf, author }]);
      return isWritten ? state : null;
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
  const { _id, asOf, trialReminder, revision, createdAt, updatedAt, unannounced, announceRetry, ...rest } =
    state;
  return rest;
}
