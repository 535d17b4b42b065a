import { z } from 'zod';
import { buildMeter, meters } from './objects/meter.js';
import { buildPrice, prices } from './objects/price.js';
import { buildProduct, products } from './objects/product.js';
import { AUTOMATIC_TAX_RATE, buildTaxRate, taxRates } from './objects/taxRate.js';
import { putAccount } from './resources/account.js';
import type { Store, Tx } from './storage/store.js';
import { isDuplicateKey } from './storage/store.js';

/** A price that exists from the start, with its product. */
export const seededPrice = z.strictObject({
  id: z.string().min(1),
  /** Prices of one product share it; `prod_<price id>` unless given. */
  productId: z.string().min(1).optional(),
  productName: z.string().min(1),
  /** In the smallest unit of the currency, as `"2900"`; a metered price may have up to 12 decimals. */
  unitAmount: z
    .string()
    .regex(/^\d+(\.\d{1,12})?$/, 'must be a decimal in the smallest unit of the currency'),
  currency: z.string().length(3),
  /** What it costs in other currencies, by their codes in lower case. */
  currencyAmounts: z.record(z.string().length(3), z.string().regex(/^\d+(\.\d{1,12})?$/)).default({}),
  interval: z.enum(['day', 'week', 'month', 'year']).default('month'),
  intervalCount: z.int().min(1).default(1),
  /** Makes the price metered: it bills what the meter of these events counts. */
  meterEventName: z.string().min(1).optional(),
  lookupKey: z.string().min(1).optional(),
  /** Set on the price and on its product. */
  metadata: z.record(z.string(), z.string()).default({}),
});
export type SeededPrice = z.input<typeof seededPrice>;

/** Creates the account, the meters, prices and tax rate, or brings prices and rate up to date. @throws ZodError for a price that is malformed */
export async function seed(
  store: Store,
  wanted: { prices: readonly SeededPrice[]; meterEventNames: readonly string[]; taxPercent: string },
  nowS: number,
): Promise<void> {
  const parsed = z.array(seededPrice).parse(wanted.prices);
  await unlessExists(() => store.transaction((tx) => putAccount(tx, nowS)));
  await unlessExists(() => store.transaction((tx) => putTaxRate(tx, wanted.taxPercent, nowS)));
  const metered = parsed.flatMap(({ meterEventName }) => meterEventName ?? []);
  for (const eventName of new Set([...wanted.meterEventNames, ...metered]))
    await unlessExists(() => store.transaction((tx) => putMeter(tx, eventName, nowS)));
  for (const price of parsed) await unlessExists(() => store.transaction((tx) => putPrice(tx, price, nowS)));
}

/** Another instance that starts at the same time may be first. */
async function unlessExists(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
  }
}

async function putTaxRate(tx: Tx, percent: string, nowS: number): Promise<void> {
  const id = AUTOMATIC_TAX_RATE;
  const terms = { displayName: 'Tax', inclusive: false, percentage: Number(percent), metadata: {} };
  const rate = await tx.find(taxRates, id);
  const body = buildTaxRate(id, terms, rate?.body.created ?? nowS);
  if (!rate) await tx.insert(taxRates, id, body, null);
  else if (rate.body.percentage !== body.percentage) await tx.save(taxRates, { ...rate, body });
}

const meterIdOf = (eventName: string): string => `mtr_mock_${eventName}`;

async function putMeter(tx: Tx, eventName: string, nowS: number): Promise<void> {
  const id = meterIdOf(eventName);
  if (await tx.find(meters, id)) return;
  const terms = {
    default_aggregation: { formula: 'sum' as const },
    display_name: eventName,
    event_name: eventName,
  };
  await tx.insert(meters, id, buildMeter(id, terms, nowS), null);
}

async function putPrice(tx: Tx, seeded: z.output<typeof seededPrice>, nowS: number): Promise<void> {
  const { id, productId = `prod_${id}`, productName, meterEventName, lookupKey = null, metadata } = seeded;
  const product = await tx.find(products, productId);
  const productBody = { ...buildProduct(productId, productName, product?.body.created ?? nowS), metadata };
  if (product) await tx.save(products, { ...product, body: productBody });
  else await tx.insert(products, productId, productBody, null);

  const price = await tx.find(prices, id);
  const terms = { ...seeded, product: productId, meter: meterEventName ? meterIdOf(meterEventName) : null };
  const priceBody = {
    ...buildPrice(id, terms, price?.body.created ?? nowS),
    lookup_key: lookupKey,
    metadata,
  };
  if (price) await tx.save(prices, { ...price, body: priceBody });
  else await tx.insert(prices, id, priceBody, null);
}
