import { isMetered } from '../objects/price.js';
import type { PendingLine, Period } from '../objects/subscription.js';
import type { Tx } from '../storage/store.js';
import { idOf, type SubscriptionItemBody } from '../wire.js';
import { productName } from './lineText.js';

/**
 * What a change of an item costs for the rest of its period: the unused part of the old price back, the same part of
 * the new price owed.
 * @param before the item as it was; null for a new one
 * @param after the item as it is; null for one that was removed
 * @param atS when it changes, seconds
 */
export async function prorationLines(
  tx: Tx,
  before: SubscriptionItemBody | null,
  after: SubscriptionItemBody | null,
  period: Period,
  atS: number,
): Promise<PendingLine[]> {
  const left = Math.max(0, period.end - atS) / Math.max(1, period.end - period.start);
  const lines: PendingLine[] = [];
  for (const [item, sign, text] of [
    [before, -1, 'Unused time on'],
    [after, 1, 'Remaining time on'],
  ] as const) {
    if (!item || isMetered(item.price)) continue;
    const fullCents = (item.price.unit_amount ?? 0) * (item.quantity ?? 1);
    lines.push({
      itemId: item.id,
      price: item.price.id,
      product: idOf(item.price.product) ?? '',
      amountCents: sign * Math.round(fullCents * left),
      description: `${text} ${await productName(tx, item.price)}`,
      fromS: atS,
      untilS: period.end,
    });
  }
  return lines;
}
