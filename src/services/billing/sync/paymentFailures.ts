import type { Logger } from 'pino';
import Stripe from 'stripe';
import type { Models } from '../../../models/models.js';

/** When payments failed, by Stripe's time, however late the event arrived. */
export interface PaymentFailures {
  /**
   * @returns when the first payment of the invoices that are still open failed; null when there is no open invoice, or
   *   Stripe does not respond
   */
  firstOf(subscriptionId: string): Promise<Date | null>;
}

const MAX_OPEN = 100;
const FAILED = 'invoice.payment_failed';

/**
 * Uses the first `invoice.payment_failed` event of each open invoice. If none has arrived yet, the invoice itself gives
 * the time: Stripe attempts a payment when it finalizes an invoice, and an invoice that is sent fails on its due date.
 */
export function createPaymentFailures(deps: {
  models: Models;
  stripe: Stripe;
  log: Logger;
}): PaymentFailures {
  const { models, stripe, log } = deps;

  async function openInvoicesOf(subscription: string): Promise<Stripe.Invoice[]> {
    try {
      const { data } = await stripe.invoices.list({ subscription, status: 'open', limit: MAX_OPEN });
      return data.filter(({ status }) => status === 'open');
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripeError)) throw error;
      log.warn({ err: error, subscription }, 'payment_failure.unknown');
      return [];
    }
  }

  /** @returns milliseconds by invoice id */
  async function receivedFailures(invoiceIds: string[]): Promise<Map<string, number>> {
    const events = await models.webhookEvents
      .find({ type: FAILED, object: { $in: invoiceIds } }, { object: 1, payload: 1 })
      .lean<{ object: string; payload: string }[]>();
    const first = new Map<string, number>();
    for (const { object, payload } of events) {
      const { created } = JSON.parse(payload) as { created?: unknown };
      if (typeof created !== 'number') continue;
      first.set(object, Math.min(created * 1000, first.get(object) ?? Number.POSITIVE_INFINITY));
    }
    return first;
  }

  return {
    async firstOf(subscriptionId) {
      const open = await openInvoicesOf(subscriptionId);
      if (open.length === 0) return null;
      const received = await receivedFailures(open.map(({ id }) => id));
      const failures = open.map((invoice) => received.get(invoice.id) ?? failureTimeOf(invoice));
      const known = failures.filter((ms) => ms !== null);
      return known.length > 0 ? new Date(Math.min(...known)) : null;
    },
  };
}

/** @returns milliseconds; null while no payment is due */
function failureTimeOf(invoice: Stripe.Invoice): number | null {
  const { collection_method: method, due_date: due, attempted, status_transitions: at, created } = invoice;
  if (method === 'send_invoice') return due ? due * 1000 : null;
  return attempted ? (at?.finalized_at ?? created) * 1000 : null;
}
