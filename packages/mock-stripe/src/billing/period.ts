import type { InvoiceTerms, UsageSpan } from '../objects/invoice.js';
import { periodFrom, type StoredSubscription, setPeriod } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import { noteOutcome } from './dunning.js';
import { type Charged, charge, draft, periodLines } from './invoicing.js';
import { usageLines } from './usage.js';

/**
 * Moves a subscription into the period that begins at a moment, and bills it together with what waited for an invoice.
 * Neither saves the subscription nor sends an event.
 * @param spans what was used before; a renewal leaves an hour for more of it to arrive
 */
export async function beginPeriod(
  change: Change,
  stored: StoredSubscription,
  startS: number,
  reason: InvoiceTerms['reason'],
  spans: UsageSpan[] = [],
): Promise<Charged> {
  const { body, hidden } = stored;
  const price = body.items.data[0]?.price;
  if (!price) throw new Error(`${body.id} has no items`);
  const period = periodFrom(startS, body.billing_cycle_anchor, price);
  setPeriod(body, period);
  const lines = await periodLines(change.tx, stored, period);
  hidden.pending = [];
  const terms = { reason, lines, period };
  const charged =
    reason === 'subscription_cycle' && spans.length > 0
      ? await draft(change, stored, terms, spans)
      : await charge(change, stored, {
          ...terms,
          lines: [...lines, ...(await usageLines(change.tx, stored, spans))],
        });
  await noteOutcome(change, stored, charged);
  return charged;
}
