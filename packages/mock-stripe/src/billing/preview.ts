import { mockId } from '../ids.js';
import { customers } from '../objects/customer.js';
import { asDraft, buildInvoice } from '../objects/invoice.js';
import { periodFrom, periodOf, type StoredSubscription } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import { type InvoiceBody, idOf } from '../wire.js';
import { discountsOn } from './discounts.js';
import { payerOf, periodLines, waitingLines } from './invoicing.js';
import { changeItems, type ItemChange } from './items.js';
import { spansOf, usageLines } from './usage.js';

export interface PreviewTerms {
  items?: ItemChange[] | undefined;
  proration_behavior?: 'always_invoice' | 'create_prorations' | 'none' | undefined;
  proration_date?: number | undefined;
}

/** @returns the invoice that would come next, or at once with `always_invoice`; nothing is written */
export async function previewInvoice(
  change: Change,
  stored: StoredSubscription,
  terms: PreviewTerms,
): Promise<InvoiceBody> {
  const { tx, nowS } = change;
  const copy = structuredClone(stored);
  const owed = terms.items ? await changeItems(change, copy, terms.items, terms.proration_date ?? nowS) : [];
  if (terms.proration_behavior !== 'none') copy.hidden.pending.push(...owed);
  const current = periodOf(copy.body);
  const price = copy.body.items.data[0]?.price;
  if (!price) throw new Error(`${copy.body.id} has no items`);
  const atOnce = terms.proration_behavior === 'always_invoice';
  const period = atOnce ? current : periodFrom(current.end, copy.body.billing_cycle_anchor, price);
  const spans = atOnce ? [] : spansOf(copy, current.end);
  if (copy.body.status === 'trialing' && !atOnce) copy.body.status = 'active';
  const shown = atOnce
    ? waitingLines(copy)
    : [...(await periodLines(tx, copy, period)), ...(await usageLines(tx, copy, spans))];
  const customer = await tx.get(customers, idOf(copy.body.customer) ?? '', 'customer');
  const invoice = buildInvoice(
    mockId('upcoming_in'),
    {
      customer: customer.body,
      subscription: payerOf(copy.body),
      currency: copy.body.currency,
      reason: atOnce ? 'subscription_update' : 'upcoming',
      lines: shown,
      discounts: await discountsOn(tx, copy.body, shown, atOnce ? nowS : current.end),
      period,
    },
    atOnce ? nowS : current.end,
  );
  return { ...asDraft(invoice), next_payment_attempt: invoice.created };
}
