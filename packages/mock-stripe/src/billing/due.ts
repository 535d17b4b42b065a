import { checkoutSessions, type StoredSession } from '../objects/checkoutSession.js';
import { invoices, type StoredInvoice } from '../objects/invoice.js';
import { type StoredSubscription, subscriptions } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import type { ObjectDocument } from '../storage/documents.js';
import { cancelNow } from './cancellation.js';
import { expireSession } from './checkout.js';
import { finalizeDraft, retryPayment } from './dunning.js';
import { collectPayments, endTrial, renew, sayTrialEnds } from './renewal.js';

/** Does the one thing for which an object is due, at the time at which it is. */
export async function happen(change: Change, document: ObjectDocument): Promise<void> {
  switch (document.object) {
    case checkoutSessions.object:
      return expireSession(change, document as StoredSession);
    case subscriptions.object:
      return subscriptionDue(change, document as StoredSubscription);
    case invoices.object:
      return finalizeDraft(change, document as StoredInvoice);
    default:
      throw new Error(`nothing is ever due for a ${document.object}`);
  }
}

/** Endings come before renewals: nobody is billed for a period that does not begin. */
async function subscriptionDue(change: Change, stored: StoredSubscription): Promise<void> {
  const { tx, nowS, emit } = change;
  const { body, hidden } = stored;
  if (body.status === 'incomplete') {
    body.status = 'incomplete_expired';
    body.ended_at = nowS;
    await tx.save(subscriptions, stored);
    await emit('customer.subscription.updated', body, { status: 'incomplete' });
    return;
  }
  if (body.cancel_at !== null && body.cancel_at <= nowS) {
    return cancelNow(change, stored, 'cancellation_requested', true);
  }
  const { resumes_at: resumesAt = null } = body.pause_collection ?? {};
  if (resumesAt !== null && resumesAt <= nowS) return collectPayments(change, stored);
  if (body.status === 'trialing')
    return (body.trial_end ?? 0) > nowS ? sayTrialEnds(change, stored) : endTrial(change, stored);
  if (hidden.retryAtS !== null && hidden.retryAtS <= nowS) return retryPayment(change, stored);
  return renew(change, stored);
}
