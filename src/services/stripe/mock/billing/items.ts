import { invalidRequest, noSuch } from '../http/errors.js';
import { type MetadataChange, mergeMetadata } from '../http/params.js';
import { subscribablePrice } from '../objects/price.js';
import {
  buildItem,
  type PendingLine,
  periodOf,
  planOf,
  type StoredSubscription,
} from '../objects/subscription.js';
import type { Change } from '../operation.js';
import type { SubscriptionItemBody } from '../wire.js';
import { prorationLines } from './proration.js';

export interface ItemChange {
  id?: string | undefined;
  price?: string | undefined;
  quantity?: number | undefined;
  deleted?: boolean | undefined;
  metadata?: MetadataChange;
}

/**
 * Changes, adds and removes items.
 * @returns what that costs for the rest of the period
 * @throws StripeFault for an item or price that does not exist, or when no item is left
 */
export async function changeItems(
  change: Change,
  { body }: StoredSubscription,
  changes: ItemChange[],
  atS: number,
): Promise<PendingLine[]> {
  const period = periodOf(body);
  const lines: PendingLine[] = [];
  for (const [index, wanted] of changes.entries()) {
    const param = `items[${index}]`;
    const position = body.items.data.findIndex(({ id }) => id === wanted.id);
    const before = body.items.data[position] ?? null;
    if (wanted.id !== undefined && !before) throw noSuch('subscription_item', wanted.id, `${param}[id]`);
    const after = wanted.deleted ? null : await itemAfter(change, body.id, before, wanted, param, period);
    if (!after) body.items.data.splice(position, 1);
    else if (before) body.items.data[position] = after;
    else body.items.data.push(after);
    if (!sameCharge(before, after))
      lines.push(...(await prorationLines(change.tx, before, after, period, atS)));
  }
  if (body.items.data.length === 0) {
    throw invalidRequest('A subscription must have at least one active item.', { param: 'items' });
  }
  return lines;
}

async function itemAfter(
  { tx, nowS }: Change,
  subscription: string,
  before: SubscriptionItemBody | null,
  wanted: ItemChange,
  param: string,
  period: { start: number; end: number },
): Promise<SubscriptionItemBody> {
  const price = wanted.price ? await subscribablePrice(tx, wanted.price, `${param}[price]`) : before?.price;
  if (!price) throw invalidRequest(`You must pass a price for a new item.`, { param: `${param}[price]` });
  const quantity = wanted.quantity ?? before?.quantity ?? 1;
  const metadata = mergeMetadata(before?.metadata ?? {}, wanted.metadata);
  if (!before) return buildItem(subscription, { price, quantity, metadata }, period, nowS);
  return { ...before, price, plan: planOf(price), quantity, metadata };
}

const sameCharge = (before: SubscriptionItemBody | null, after: SubscriptionItemBody | null) =>
  before?.price.id === after?.price.id && before?.quantity === after?.quantity;
