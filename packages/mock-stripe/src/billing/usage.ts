import type * as mongo from 'mongodb';
import type { LineTerms, UsageSpan } from '../objects/invoice.js';
import { meterEvents, meters } from '../objects/meter.js';
import { centsFor, isMetered, priceIn } from '../objects/price.js';
import type { StoredSubscription } from '../objects/subscription.js';
import type { ObjectDocument } from '../storage/documents.js';
import type { Tx } from '../storage/store.js';
import { idOf, type MeterBody, type SubscriptionItemBody } from '../wire.js';
import { productName, rate } from './lineText.js';

/** @returns what a meter counted for a customer; cancelled events are not counted */
export async function countedBy(
  tx: Tx,
  meter: MeterBody,
  customer: string,
  during: mongo.Filter<ObjectDocument>,
): Promise<number> {
  const input = `$body.payload.${meter.value_settings.event_payload_key}`;
  const value = { $convert: { input, to: 'double', onError: 0, onNull: 0 } };
  const aggregation = { sum: { $sum: value }, count: { $sum: 1 }, last: { $last: value } };
  const formula = meter.default_aggregation.formula as keyof typeof aggregation;
  const matching = {
    ...during,
    object: meterEvents.object,
    'refs.customer': customer,
    'refs.eventName': meter.event_name,
    'refs.canceled': 'false',
  };
  const [total] = await tx.collections.objects
    .aggregate<{ total: number }>(
      [
        { $match: matching },
        { $sort: { 'body.timestamp': 1, seq: 1 } },
        { $group: { _id: null, total: aggregation[formula] } },
      ],
      tx.session ? { session: tx.session } : {},
    )
    .toArray();
  return total?.total ?? 0;
}

/** @returns the time of the present period, up to a moment, in which an item's usage is to be billed */
export function spanOf(
  { hidden }: StoredSubscription,
  { id, price, created, current_period_start: startS }: SubscriptionItemBody,
  untilS: number,
): UsageSpan {
  const fromS = Math.max(startS, created, hidden.countedFromS?.[id] ?? 0);
  return { itemId: id, price, fromS, untilS };
}

/** Nothing that is used in a trial is billed. */
export const spansOf = (
  stored: StoredSubscription,
  untilS: number,
  which: 'due' | 'all' = 'all',
): UsageSpan[] =>
  stored.body.status === 'trialing'
    ? []
    : stored.body.items.data
        .filter(({ price }) => isMetered(price))
        .filter(({ current_period_end: endS }) => which === 'all' || endS <= untilS)
        .map((item) => spanOf(stored, item, untilS))
        .filter(({ fromS }) => fromS < untilS);

/** @returns the line with which the usage of a span is billed, as far as it is known now */
export async function usageLine(
  tx: Tx,
  { body }: StoredSubscription,
  { itemId, price, fromS, untilS }: UsageSpan,
): Promise<LineTerms> {
  const { body: meter } = await tx.get(meters, price.recurring?.meter ?? '', 'meter');
  const charged = priceIn(price, body.currency);
  const during = { 'hidden.atS': { $gte: fromS, $lt: untilS } };
  const quantity = await countedBy(tx, meter, idOf(body.customer) ?? '', during);
  return {
    itemId,
    subscription: body.id,
    price: price.id,
    product: idOf(price.product) ?? '',
    amountCents: centsFor(charged, quantity),
    unitAmount: charged.unit_amount_decimal,
    quantity,
    currency: charged.currency,
    description: `${quantity} × ${await productName(tx, price)} (at ${rate(charged)})`,
    proration: false,
    fromS,
    untilS,
  };
}

export async function usageLines(
  tx: Tx,
  stored: StoredSubscription,
  spans: readonly UsageSpan[],
): Promise<LineTerms[]> {
  const lines: LineTerms[] = [];
  for (const span of spans) lines.push(await usageLine(tx, stored, span));
  return lines;
}
