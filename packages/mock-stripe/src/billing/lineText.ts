import { formatMoney } from '../money.js';
import { isMetered } from '../objects/price.js';
import { products } from '../objects/product.js';
import type { Tx } from '../storage/store.js';
import { idOf, type PriceBody } from '../wire.js';

export async function productName(tx: Tx, price: PriceBody): Promise<string> {
  return (await tx.find(products, idOf(price.product) ?? ''))?.body.name ?? 'Product';
}

/** @returns for instance `$29.00 / month`, or `$0.0001 each` of what a meter counts */
export function rate(price: PriceBody): string {
  const amount = formatMoney(Number(price.unit_amount_decimal ?? 0), price.currency);
  return isMetered(price) ? `${amount} each` : `${amount} / ${cycleOf(price)}`;
}

/** @returns for instance `month`, `3 months` */
export function cycleOf({ recurring }: PriceBody): string {
  if (!recurring) return 'once';
  const { interval, interval_count: count } = recurring;
  return count > 1 ? `${count} ${interval}s` : interval;
}
