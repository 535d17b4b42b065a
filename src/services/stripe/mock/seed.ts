import { buildMeter, meters } from './objects/meter.js';
import { buildPrice, prices } from './objects/price.js';
import { buildProduct, products } from './objects/product.js';
import type { Store } from './storage/store.js';

const DUPLICATE_KEY = 11_000;

/** A price that is there from the start. */
export interface SeededPrice {
  id: string;
  tier: string;
  unitAmountCents: number;
  currency: string;
  productName: string;
}

/** Makes the catalogue's prices, or brings them up to date with it; both carry their tier as metadata. */
export async function seedPrices(store: Store, seeded: readonly SeededPrice[], nowS: number): Promise<void> {
  for (const price of seeded) {
    await firstOf(() => store.transaction((tx) => seedPrice(tx, price, nowS)));
  }
}

/** Makes the meters that usage is reported to. */
export async function seedMeters(store: Store, eventNames: readonly string[], nowS: number): Promise<void> {
  for (const eventName of eventNames) {
    const id = `mtr_mock_${eventName}`;
    if (await store.read.find(meters, id)) continue;
    const terms = {
      default_aggregation: { formula: 'sum' as const },
      display_name: eventName,
      event_name: eventName,
    };
    await firstOf(() => store.transaction((tx) => tx.insert(meters, id, buildMeter(id, terms, nowS), null)));
  }
}

/** Another instance that starts at the same time may be first. */
async function firstOf(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if ((error as { code?: unknown }).code !== DUPLICATE_KEY) throw error;
  }
}

async function seedPrice(tx: Store['read'], seeded: SeededPrice, nowS: number): Promise<void> {
  const { id, tier, unitAmountCents, currency, productName } = seeded;
  const productId = `prod_mock_${tier.toLowerCase()}`;
  const metadata = { tier };
  const product = await tx.find(products, productId);
  const productBody = { ...buildProduct(productId, productName, product?.body.created ?? nowS), metadata };
  if (product) await tx.save(products, { ...product, body: productBody });
  else await tx.insert(products, productId, productBody, null);

  const price = await tx.find(prices, id);
  const terms = {
    currency,
    unitAmountCents,
    product: productId,
    interval: 'month' as const,
    intervalCount: 1,
  };
  const priceBody = {
    ...buildPrice(id, terms, price?.body.created ?? nowS),
    lookup_key: tier.toLowerCase(),
    metadata,
  };
  if (price) await tx.save(prices, { ...price, body: priceBody });
  else await tx.insert(prices, id, priceBody, null);
}
