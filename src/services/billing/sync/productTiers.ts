import type { Logger } from 'pino';
import Stripe from 'stripe';
import type { Clock } from '../../../common/clock.js';
import { createLoadingCache } from '../../infrastructure/loadingCache.js';
import type { Tiers } from '../../tiers/tiers.js';

/** Maps Stripe products to tiers, for subscriptions at a price that the catalogue does not name. */
export interface ProductTiers {
  /** @returns the tier's name; null for another product, or one that the key may not read */
  tierOf(productId: string): Promise<string | null>;
}

const CACHE_MS = 10 * 60_000;
const MAX_CACHED = 1_000;

export function createProductTiers(deps: {
  stripe: Stripe;
  tiers: Tiers;
  clock: Clock;
  log: Logger;
}): ProductTiers {
  const { stripe, tiers, clock, log } = deps;

  /** @returns null for an object that the key cannot see or may not read */
  async function readable<T>(request: Promise<T>): Promise<T | null> {
    try {
      return await request;
    } catch (error) {
      const isUnreadable =
        error instanceof Stripe.errors.StripeInvalidRequestError ||
        error instanceof Stripe.errors.StripePermissionError;
      if (!isUnreadable) throw error;
      log.warn({ err: error }, 'product.unreadable');
      return null;
    }
  }

  const cacheOptions = {
    clock,
    maxEntries: MAX_CACHED,
    validUntil: (_: unknown, nowMs: number) => nowMs + CACHE_MS,
  };

  /** By price id; a null id: unreadable. */
  const productIds = createLoadingCache<{ id: string | null }>({
    ...cacheOptions,
    async load(priceId) {
      const price = await readable(stripe.prices.retrieve(priceId));
      return { id: typeof price?.product === 'string' ? price.product : (price?.product.id ?? null) };
    },
  });

  async function tierSoldAs(productId: string): Promise<string | null> {
    for (const { name, former } of tiers.all()) {
      const priceIds = [tiers.getStripePriceIds(name), ...former.map(({ stripePriceIds }) => stripePriceIds)];
      for (const priceId of priceIds.flat())
        if ((await productIds.get(priceId)).id === productId) return name;
    }
    return null;
  }

  const tierNames = createLoadingCache<{ name: string | null }>({
    ...cacheOptions,
    async load(productId) {
      const product = await readable(stripe.products.retrieve(productId));
      return { name: tierNamed(tiers, product?.metadata) ?? (await tierSoldAs(productId)) };
    },
  });

  return { tierOf: async (productId) => (await tierNames.get(productId)).name };
}

/** @returns the tier named in metadata, which `continuum-billing stripe setup` writes to products and prices */
export function tierNamed(tiers: Tiers, metadata: Stripe.Metadata | null | undefined): string | null {
  return tiers.storedNameOf(metadata?.tier ?? '');
}
