import { mockId } from '../ids.js';
import { customers } from '../objects/customer.js';
import { asDraft, buildInvoice, type LineTerms } from '../objects/invoice.js';
import { beginPeriods, periodOf, type StoredSubscription } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import type { Tx } from '../storage/store.js';
import { type InvoiceBody, idOf } from '../wire.js';
import { discountsOn } from './discounts.js';
import { payerOf, periodLines, waitingLines } from './invoicing.js';
import { changeItems, type ItemChange } from './items.js';
import { type CycleChange, startsCycle, takeCycle } from './update.js';
import { spansOf, usageLines } from './usage.js';

export interface PreviewTerms extends CycleChange {
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
  const atOnce = terms.proration_behavior === 'always_invoice';
  const { shown, atS } = startsCycle(stored.body, copy.body, terms)
    ? { shown: await cycleLines(change, copy), atS: nowS }
    : atOnce
      ? { shown: waitingLines(copy), atS: nowS }
      : await renewalLines(tx, copy);
  const period = periodOf(copy.body);
  const customer = await tx.get(customers, idOf(copy.body.customer) ?? '', 'customer');
  const invoice = buildInvoice(
    mockId('upcoming_in'),
    {
      customer: customer.body,
      subscription: payerOf(copy.body),
      currency: copy.body.currency,
      reason: atOnce ? 'subscription_update' : 'upcoming',
      lines: shown,
      discounts: await discountsOn(tx, copy.body, shown, atS),
      period,
    },
    atS,
  );
  return { ...asDraft(invoice), next_payment_attempt: invoice.created };
}

/** A cycle that begins now: a full period of everything, less the credit, and what was used. */
async function cycleLines({ tx, nowS }: Change, copy: StoredSubscription): Promise<LineTerms[]> {
  const spans = takeCycle(copy, nowS);
  const used = await usageLines(tx, copy, spans);
  return [...(await periodLines(tx, copy, beginPeriods(copy.body, nowS, 'all'))), ...used];
}

async function renewalLines(tx: Tx, copy: StoredSubscription): Promise<{ shown: LineTerms[]; atS: number }> {
  const atS = periodOf(copy.body).end;
  const used = await usageLines(tx, copy, spansOf(copy, atS, 'due'));
  const begun = beginPeriods(copy.body, atS, 'due');
  if (copy.body.status === 'trialing') copy.body.status = 'active';
  return { shown: [...(await periodLines(tx, copy, begun)), ...used], atS };
}
