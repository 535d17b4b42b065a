import { mockId } from '../ids.js';
import { buildPrice, prices, setTaxBehavior } from '../objects/price.js';
import { products } from '../objects/product.js';
import type { Change } from '../operation.js';

export interface InlinePrice {
  currency: string;
  product: string;
  unit_amount: number;
  tax_behavior?: 'exclusive' | 'inclusive' | 'unspecified' | undefined;
  recurring: { interval: 'day' | 'week' | 'month' | 'year'; interval_count?: number | undefined };
}

/** A price that is made for one subscription. */
export async function inlinePrice(
  { tx, nowS, emit }: Change,
  data: InlinePrice | undefined,
): Promise<string | undefined> {
  if (!data) return undefined;
  const { body: product } = await tx.get(products, data.product, 'items[0][price_data][product]');
  const terms = {
    currency: data.currency,
    unitAmount: String(data.unit_amount),
    product: product.id,
    interval: data.recurring.interval,
    intervalCount: data.recurring.interval_count ?? 1,
  };
  const body = buildPrice(mockId(prices.prefix), terms, nowS);
  if (data.tax_behavior) setTaxBehavior(body, data.tax_behavior);
  await tx.insert(prices, body.id, body, { inline: true });
  await emit('price.created', body);
  return body.id;
}
