import { centsFor, isMetered, priceIn } from '../objects/price.js';
import type { PendingLine } from '../objects/subscription.js';
import type { Tx } from '../storage/store.js';
import { idOf, type SubscriptionItemBody } from '../wire.js';
import { productName } from './lineText.js';

/**
 * What a change of an item costs for the rest of its period: the unused part of the old price back, the same part of
 * the new price owed.
 * @param before the item as it was; null for a new one
 * @param after the item as it is; null for one that was removed
 * @param currency that of the subscription
 * @param atS when it changes, seconds
 */
export async function prorationLines(
  tx: Tx,
  before: SubscriptionItemBody | null,
  after: SubscriptionItemBody | null,
  currency: string,
  atS: number,
): Promise<PendingLine[]> {
  const lines: PendingLine[] = [];
  for (const [item, sign, text] of [
    [before, -1, 'Unused time on'],
    [after, 1, 'Remaining time on'],
  ] as const) {
    if (!item || isMetered(item.price)) continue;
    const { current_period_start: startS, current_period_end: endS } = item;
    const left = Math.max(0, endS - atS) / Math.max(1, endS - startS);
    const fullCents = centsFor(priceIn(item.price, currency), item.quantity ?? 1);
    lines.push({
      itemId: item.id,
      price: item.price.id,
      product: idOf(item.price.product) ?? '',
      amountCents: sign * Math.round(fullCents * left),
      description: `${text} ${await productName(tx, item.price)}`,
      fromS: atS,
      untilS: endS,
    });
  }
  return lines;
}
