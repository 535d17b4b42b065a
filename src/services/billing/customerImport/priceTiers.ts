import { randomUUID } from 'node:crypto';
import type Stripe from 'stripe';
import type { Tiers } from '../../tiers/tiers.js';
import { isMissing } from '../stripe/stripeErrors.js';

/** An option of an import that cannot be followed. Nothing was changed. */
export class ImportOptionError extends Error {}

/** Says at Stripe which tiers prices outside the catalogue buy, where the server reads it. */
export interface PriceTiers {
  /**
   * Checks all prices first.
   * @param tierOf names of tiers, by Stripe's id of the price
   * @throws ImportOptionError that lists what is wrong
   */
  assign(tierOf: ReadonlyMap<string, string>, dryRun: boolean): Promise<void>;
}

export function createPriceTiers({ stripe, tiers }: { stripe: Stripe; tiers: Tiers }): PriceTiers {
  async function find(priceId: string): Promise<Stripe.Price | null> {
    try {
      return await stripe.prices.retrieve(priceId);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** @returns what is wrong, or null */
  function problemOf(priceId: string, tier: string, price: Stripe.Price | null): string | null {
    const stored = tiers.storedNameOf(tier);
    if (stored === null) return `the catalogue has no tier ${tier}`;
    if (!price) return 'Stripe does not show this price';
    const listed = tiers.getTierFromPriceId(priceId);
    if (listed)
      return `it is the price of ${tiers.publicNameOf(listed.name)} in the catalogue or the environment`;
    const named = price.metadata.tier?.toUpperCase();
    return named && tiers.storedNameOf(named) !== stored
      ? `its metadata at Stripe names the tier ${named}`
      : null;
  }

  return {
    async assign(tierOf, dryRun) {
      const unnamed: Stripe.Price[] = [];
      const problems: string[] = [];
      for (const [priceId, tier] of tierOf) {
        const price = await find(priceId);
        const problem = problemOf(priceId, tier, price);
        if (problem) problems.push(`--tier ${priceId}=${tier}: ${problem}`);
        if (price && !price.metadata.tier) unnamed.push(price);
      }
      if (problems.length > 0) throw new ImportOptionError(problems.join('\n'));
      if (dryRun) return;
      // Stripe would repeat an earlier response to the same key, also after the tier was removed by hand.
      const run = randomUUID();
      for (const { id } of unnamed) {
        const tier = tiers.storedNameOf(tierOf.get(id) as string)?.toLowerCase() ?? '';
        const idempotencyKey = `price-tier:${id}:${run}`;
        await stripe.prices.update(id, { metadata: { tier } }, { idempotencyKey });
      }
    },
  };
}
