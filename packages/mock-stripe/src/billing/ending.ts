import { invalidRequest } from '../http/errors.js';
import { periodOf } from '../objects/subscription.js';
import type { SubscriptionBody } from '../wire.js';

/** When a subscription is to end; an empty string, or false, takes an end back. */
export interface Ending {
  cancel_at?: number | string | undefined;
  cancel_at_period_end?: boolean | undefined;
}

/** @throws MockStripeError for contradictions and moments in the past */
export function planEnding(body: SubscriptionBody, ending: Ending, nowS: number): void {
  const { cancel_at: at, cancel_at_period_end: atPeriodEnd } = ending;
  if (at === undefined && atPeriodEnd === undefined) return;
  if (at && atPeriodEnd) {
    throw invalidRequest('You may only specify one of these parameters: cancel_at, cancel_at_period_end.');
  }
  const endsAtS = atPeriodEnd ? periodOf(body).end : momentOf(at, body);
  if (endsAtS !== null && endsAtS <= nowS) {
    throw invalidRequest('`cancel_at` must be in the future.', { param: 'cancel_at' });
  }
  body.cancel_at = endsAtS;
  body.cancel_at_period_end = atPeriodEnd === true;
  body.canceled_at = endsAtS === null ? null : nowS;
  body.cancellation_details = {
    comment: null,
    feedback: null,
    feedback_option: null,
    ...body.cancellation_details,
    reason: endsAtS === null ? null : 'cancellation_requested',
  };
}

function momentOf(at: number | string | undefined, body: SubscriptionBody): number | null {
  if (typeof at === 'number') return at;
  if (!at) return null;
  const ends = body.items.data.map((item) => item.current_period_end);
  return at === 'min_period_end' ? Math.min(...ends) : Math.max(...ends);
}
