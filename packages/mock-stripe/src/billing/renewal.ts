import { changedFields } from '../events.js';
import { customers } from '../objects/customer.js';
import { periodOf, type StoredSubscription, subscriptions } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import { idOf } from '../wire.js';
import { cancelNow } from './cancellation.js';
import { emitPaymentOutcome, fundsOf } from './invoicing.js';
import { beginPeriod } from './period.js';
import { enterPhase } from './phases.js';
import { spansOf } from './usage.js';

/** Begins the next period, and bills it. */
export async function renew(change: Change, stored: StoredSubscription): Promise<void> {
  const { tx, emit } = change;
  const { body } = stored;
  const before = structuredClone(body);
  const endS = periodOf(body).end;
  const spans = spansOf(stored, endS, 'due');
  await enterPhase(change, stored);
  const { invoice } = await beginPeriod(
    change,
    stored,
    { startS: endS, which: 'due', reason: 'subscription_cycle' },
    spans,
  );
  await tx.save(subscriptions, stored);
  await emit('customer.subscription.updated', body, changedFields(before, body));
  await emitPaymentOutcome(change, invoice);
}

/** The date on which payments are collected again has come. Invoices of the time before stay as they are. */
export async function collectPayments({ tx, emit }: Change, stored: StoredSubscription): Promise<void> {
  const before = structuredClone(stored.body);
  stored.body.pause_collection = null;
  await tx.save(subscriptions, stored);
  await emit('customer.subscription.updated', stored.body, changedFields(before, stored.body));
}

export async function sayTrialEnds({ tx, emit }: Change, stored: StoredSubscription): Promise<void> {
  stored.hidden.trialEndSaid = stored.body.trial_end ?? 0;
  await tx.save(subscriptions, stored);
  await emit('customer.subscription.trial_will_end', stored.body);
}

/** Ends a trial: the paid cycle begins, unless there is nothing to pay with and the subscription says otherwise. */
export async function endTrial(change: Change, stored: StoredSubscription): Promise<void> {
  const { tx, nowS, emit } = change;
  const { body } = stored;
  const customer = await tx.get(customers, idOf(body.customer) ?? '', 'customer');
  const withoutCard = body.trial_settings?.end_behavior.missing_payment_method ?? 'create_invoice';
  if ((await fundsOf(tx, customer, stored)) === 'none' && withoutCard !== 'create_invoice') {
    if (withoutCard === 'cancel') await cancelNow(change, stored, 'payment_failed');
    else await pause(change, stored);
    return;
  }
  const before = structuredClone(body);
  body.status = 'active';
  body.trial_end = nowS;
  body.billing_cycle_anchor = nowS;
  const { invoice } = await beginPeriod(change, stored, {
    startS: nowS,
    which: 'all',
    reason: 'subscription_cycle',
  });
  await tx.save(subscriptions, stored);
  await emit('customer.subscription.updated', body, changedFields(before, body));
  await emitPaymentOutcome(change, invoice);
}

export async function pause({ tx, emit }: Change, stored: StoredSubscription): Promise<void> {
  stored.body.status = 'paused';
  await tx.save(subscriptions, stored);
  await emit('customer.subscription.paused', stored.body);
}

/** Takes up a paused subscription with a new cycle that begins now. */
export async function resume(change: Change, stored: StoredSubscription): Promise<void> {
  const { tx, nowS, emit } = change;
  const { body } = stored;
  const before = structuredClone(body);
  body.status = 'active';
  body.billing_cycle_anchor = nowS;
  const { invoice } = await beginPeriod(change, stored, {
    startS: nowS,
    which: 'all',
    reason: 'subscription_update',
  });
  await tx.save(subscriptions, stored);
  await emit('customer.subscription.resumed', body);
  await emit('customer.subscription.updated', body, changedFields(before, body));
  await emitPaymentOutcome(change, invoice);
}
