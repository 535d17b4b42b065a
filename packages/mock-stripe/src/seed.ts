import { buildMeter, meters } from './objects/meter.js';
import { buildPrice, type PriceTerms, prices } from './objects/price.js';
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
  /** What a meter's count of calls costs beside it; null: there is no such price. */
  overage?: { id: string; unitAmount: string; meterEventName: string } | null;
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
    const id = meterIdOf(eventName);
    if (await store.read.find(meters, id)) continue;
    const terms = {
      default_aggregation: { formula: 'sum' as const },
      display_name: eventName,
      event_name: eventName,
    };
    await firstOf(() => store.transaction((tx) => tx.insert(meters, id, buildMeter(id, terms, nowS), null)));
  }
}

const meterIdOf = (eventName: string): string => `mtr_mock_${eventName}`;

/** Another instance that starts at the same time may be first. */
async function firstOf(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if ((error as { code?: unknown }).code !== DUPLICATE_KEY) throw error;
  }
}

async function seedPrice(tx: Store['read'], seeded: SeededPrice, nowS: number): Promise<void> {
  const { id, tier, unitAmountCents, currency, productName, overage } = seeded;
  const key = tier.toLowerCase();
  const terms = { currency, interval: 'month' as const, intervalCount: 1 };
  const amount = { ...terms, unitAmount: String(unitAmountCents) };
  await putPrice(tx, { id, key, productName, metadata: { tier }, terms: amount }, nowS);
  if (!overage) return;
  await putPrice(
    tx,
    {
      id: overage.id,
      key: `${key}_overage`,
      productName: `${productName}: calls past the daily quota`,
      metadata: { tier, overage: 'true' },
      terms: { ...terms, unitAmount: overage.unitAmount, meter: meterIdOf(overage.meterEventName) },
    },
    nowS,
  );
}

interface Put {
  id: string;
  /** Names the product, too. */
  key: string;
  productName: string;
  metadata: Record<string, string>;
  terms: Omit<PriceTerms, 'product'>;
}

async function putPrice(
  tx: Store['read'],
  { id, key, productName, metadata, terms }: Put,
  nowS: number,
): Promise<void> {
  const productId = `prod_mock_${key}`;
  const product = await tx.find(products, productId);
  const productBody = { ...buildProduct(productId, productName, product?.body.created ?? nowS), metadata };
  if (product) await tx.save(products, { ...product, body: productBody });
  else await tx.insert(products, productId, productBody, null);

  const price = await tx.find(prices, id);
  const priceBody = {
    ...buildPrice(id, { ...terms, product: productId }, price?.body.created ?? nowS),
    lookup_key: key,
    metadata,
  };
  if (price) await tx.save(prices, { ...price, body: priceBody });
  else await tx.insert(prices, id, priceBody, null);
}
