import type { InvoiceTerms, UsageSpan } from '../objects/invoice.js';
import { beginPeriods, periodOf, type StoredSubscription } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import { noteOutcome } from './dunning.js';
import { type Charged, charge, draft, periodLines } from './invoicing.js';
import { usageLines } from './usage.js';

/**
 * Moves a subscription into the period that begins at a moment, and bills it together with what waited for an invoice.
 * Neither saves the subscription nor sends an event.
 * @param which the items whose period has ended by then, or all
 * @param spans what was used before; a renewal leaves an hour for more of it to arrive, unless nobody pays for it
 */
export async function beginPeriod(
  change: Change,
  stored: StoredSubscription,
  { startS, which, reason }: { startS: number; which: 'due' | 'all'; reason: InvoiceTerms['reason'] },
  spans: UsageSpan[] = [],
): Promise<Charged> {
  const { body, hidden } = stored;
  const begun = beginPeriods(body, startS, which);
  const lines = await periodLines(change.tx, stored, begun);
  const period = periodOf(body);
  hidden.pending = [];
  const terms = { reason, lines, period };
  const charged =
    reason === 'subscription_cycle' && spans.length > 0 && !body.pause_collection
      ? await draft(change, stored, terms, spans)
      : await charge(change, stored, {
          ...terms,
          lines: [...lines, ...(await usageLines(change.tx, stored, spans))],
        });
  await noteOutcome(change, stored, charged);
  return charged;
}
