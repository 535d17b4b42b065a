import { invalidRequest, noSuch } from '../http/errors.js';
import { type MetadataChange, mergeMetadata } from '../http/params.js';
import { isMetered, priceIn, rejectQuantity, subscribablePrice } from '../objects/price.js';
import {
  buildItem,
  type ItemTerms,
  type PendingLine,
  periodOfNew,
  planOf,
  type StoredSubscription,
} from '../objects/subscription.js';
import type { Change } from '../operation.js';
import type { SubscriptionBody, SubscriptionItemBody } from '../wire.js';
import { prorationLines } from './proration.js';
import { spanOf, usageLine } from './usage.js';

export interface ItemChange {
  id?: string | undefined;
  price?: string | undefined;
  quantity?: number | undefined;
  deleted?: boolean | undefined;
  metadata?: MetadataChange;
  settings?: ItemTerms['settings'];
}

/**
 * Changes, adds and removes items.
 * @returns what that costs for the rest of the period
 * @throws MockStripeError for an item or price that does not exist, or when no item is left
 */
export async function changeItems(
  change: Change,
  stored: StoredSubscription,
  changes: ItemChange[],
  atS: number,
): Promise<PendingLine[]> {
  const { body, hidden } = stored;
  const lines: PendingLine[] = [];
  for (const [index, wanted] of changes.entries()) {
    const param = `items[${index}]`;
    const position = body.items.data.findIndex(({ id }) => id === wanted.id);
    const before = body.items.data[position] ?? null;
    if (wanted.id !== undefined && !before) throw noSuch('subscription_item', wanted.id, `${param}[id]`);
    const after = wanted.deleted ? null : await itemAfter(change, body, before, wanted, param);
    if (before && !samePrice(before, after)) lines.push(...(await usedUntil(change, stored, before, atS)));
    if (after && !samePrice(before, after) && isMetered(after.price)) {
      hidden.countedFromS = { ...hidden.countedFromS, [after.id]: atS };
    }
    if (!after) body.items.data.splice(position, 1);
    else if (before) body.items.data[position] = after;
    else body.items.data.push(after);
    if (!sameCharge(before, after))
      lines.push(...(await prorationLines(change.tx, before, after, body.currency, atS)));
  }
  requireDistinct(body.items.data);
  if (body.items.data.length === 0) {
    throw invalidRequest('A subscription must have at least one active item.', { param: 'items' });
  }
  return lines;
}

async function itemAfter(
  { tx, nowS }: Change,
  subscription: SubscriptionBody,
  before: SubscriptionItemBody | null,
  wanted: ItemChange,
  param: string,
): Promise<SubscriptionItemBody> {
  const price = wanted.price ? await subscribablePrice(tx, wanted.price, `${param}[price]`) : before?.price;
  if (!price) throw invalidRequest(`You must pass a price for a new item.`, { param: `${param}[price]` });
  rejectQuantity(price, wanted.quantity, param);
  priceIn(price, subscription.currency, `${param}[price]`);
  const quantity = wanted.quantity ?? before?.quantity ?? 1;
  const metadata = mergeMetadata(before?.metadata ?? {}, wanted.metadata);
  const { settings } = wanted;
  if (!before)
    return buildItem(
      subscription.id,
      { price, quantity, metadata, ...(settings && { settings }) },
      periodOfNew(subscription, price, nowS),
      nowS,
    );
  const { quantity: _, ...rest } = before;
  return {
    ...rest,
    price,
    plan: planOf(price),
    ...(isMetered(price) ? {} : { quantity }),
    metadata,
    ...settings,
  };
}

/** What was used by a metered item that goes is billed with the next invoice. */
async function usedUntil(
  { tx }: Change,
  stored: StoredSubscription,
  item: SubscriptionItemBody,
  atS: number,
): Promise<PendingLine[]> {
  if (!isMetered(item.price) || stored.body.status === 'trialing') return [];
  const line = await usageLine(tx, stored, spanOf(stored, item, atS));
  const { itemId, price, product, amountCents, quantity, unitAmount, description, fromS, untilS } = line;
  if (quantity === 0) return [];
  const usage = { quantity, unitAmount };
  return [{ itemId, price, product, amountCents, usage, description, fromS, untilS }];
}

function requireDistinct(items: readonly SubscriptionItemBody[]): void {
  const twice = items.find(({ price }, i) => items.findIndex((other) => other.price.id === price.id) !== i);
  if (!twice) return;
  throw invalidRequest(`Cannot add multiple subscription items with the same price: ${twice.price.id}.`, {
    param: 'items',
  });
}

const samePrice = (before: SubscriptionItemBody | null, after: SubscriptionItemBody | null) =>
  before?.price.id === after?.price.id;

const sameCharge = (before: SubscriptionItemBody | null, after: SubscriptionItemBody | null) =>
  samePrice(before, after) && before?.quantity === after?.quantity;
