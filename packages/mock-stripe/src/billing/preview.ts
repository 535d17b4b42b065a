import { mockId } from '../ids.js';
import { customers } from '../objects/customer.js';
import { asDraft, buildInvoice, type LineTerms } from '../objects/invoice.js';
import { beginPeriods, periodOf, type StoredSubscription } from '../objects/subscription.js';
import type { Change } from '../operation.js';
import type { Tx } from '../storage/store.js';
import { type InvoiceBody, idOf } from '../wire.js';
import { periodLines, waitingLines, wholeTerms } from './invoicing.js';
import { changeItems, type ItemChange } from './items.js';
import { requireLocation } from './tax.js';
import { type CycleChange, startsCycle, takeCycle } from './update.js';
import { spansOf, usageLines } from './usage.js';

export interface PreviewTerms extends CycleChange {
  items?: ItemChange[] | undefined;
  proration_behavior?: 'always_invoice' | 'create_prorations' | 'none' | undefined;
  proration_date?: number | undefined;
  automatic_tax?: { enabled: boolean } | undefined;
  /** `recurring`: what each renewal costs, without what is owed or used now. */
  preview_mode?: 'next' | 'recurring' | undefined;
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
  const isRecurring = terms.preview_mode === 'recurring';
  const atOnce = terms.proration_behavior === 'always_invoice' && !isRecurring;
  const { shown, atS } = isRecurring
    ? await recurringLines(tx, copy)
    : startsCycle(stored.body, copy.body, terms)
      ? { shown: await cycleLines(change, copy), atS: nowS }
      : atOnce
        ? { shown: waitingLines(copy), atS: nowS }
        : await renewalLines(tx, copy);
  const period = periodOf(copy.body);
  const customer = await tx.get(customers, idOf(copy.body.customer) ?? '', 'customer');
  if (terms.automatic_tax) {
    requireLocation(customer.body, terms.automatic_tax);
    copy.body.automatic_tax = { ...copy.body.automatic_tax, enabled: terms.automatic_tax.enabled };
  }
  const reason = atOnce ? ('subscription_update' as const) : ('upcoming' as const);
  const whole = await wholeTerms(change, copy.body, customer, { reason, lines: shown, period }, atS);
  const invoice = buildInvoice(mockId('upcoming_in'), whole, atS);
  return { ...asDraft(invoice), next_payment_attempt: invoice.created };
}

/** A cycle that begins now: a full period of everything, less the credit, and what was used. */
async function cycleLines({ tx, nowS }: Change, copy: StoredSubscription): Promise<LineTerms[]> {
  const spans = takeCycle(copy, nowS);
  const used = await usageLines(tx, copy, spans);
  return [...(await periodLines(tx, copy, beginPeriods(copy.body, nowS, 'all'))), ...used];
}

async function recurringLines(
  tx: Tx,
  copy: StoredSubscription,
): Promise<{ shown: LineTerms[]; atS: number }> {
  const atS = periodOf(copy.body).end;
  copy.hidden.pending = [];
  if (copy.body.status === 'trialing') copy.body.status = 'active';
  return { shown: await periodLines(tx, copy, beginPeriods(copy.body, atS, 'all')), atS };
}

async function renewalLines(tx: Tx, copy: StoredSubscription): Promise<{ shown: LineTerms[]; atS: number }> {
  const atS = periodOf(copy.body).end;
  const used = await usageLines(tx, copy, spansOf(copy, atS, 'due'));
  const begun = beginPeriods(copy.body, atS, 'due');
  if (copy.body.status === 'trialing') copy.body.status = 'active';
  return { shown: [...(await periodLines(tx, copy, begun)), ...used], atS };
}
