import type { Logger } from 'pino';
import Stripe from 'stripe';
import type { Models } from '../../../models/models.js';

/** When payments failed, by what Stripe says, however late it is heard here. */
export interface PaymentFailures {
  /**
   * @returns when the first payment failed of those that are still due; null when Stripe names no open invoice, or does
   *   not answer
   */
  firstOf(subscriptionId: string): Promise<Date | null>;
}

const MAX_OPEN = 100;
const FAILED = 'invoice.payment_failed';

/**
 * For each open invoice: the first `invoice.payment_failed` event that Stripe sent, by Stripe's own time. Before one has
 * come, what the invoice says: Stripe tries a payment when it finalizes the invoice, and one that is sent fails on its
 * due date.
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

  /** Milliseconds, by the invoice's id. */
  async function heardOf(invoiceIds: string[]): Promise<Map<string, number>> {
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
      const heard = await heardOf(open.map(({ id }) => id));
      const failures = open.map((invoice) => heard.get(invoice.id) ?? triedAt(invoice));
      const known = failures.filter((ms) => ms !== null);
      return known.length > 0 ? new Date(Math.min(...known)) : null;
    },
  };
}

/** @returns milliseconds; null while nothing is due */
function triedAt(invoice: Stripe.Invoice): number | null {
  const { collection_method: method, due_date: due, attempted, status_transitions: at, created } = invoice;
  if (method === 'send_invoice') return due ? due * 1000 : null;
  return attempted ? (at?.finalized_at ?? created) * 1000 : null;
}
