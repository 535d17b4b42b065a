import { useQuery } from '@apollo/client/react';
import { cycleKey, pricesIn, type SeatsInput } from '@continuum-billing/react/core';
import { useState } from 'react';
import { Select } from '../../../design/index.js';
import type { TierName, TiersToChooseQuery } from '../../../generated/graphql.js';
import { graphql } from '../../../generated/index.js';
import { type Price, pricesText, priceText } from '../../../prices/prices.js';
import { SeatsField, useSeats } from '../../../prices/SeatsField.js';
import { useTenantPage } from '../tenantPage.js';

const TIERS = graphql(`
  query TiersToChoose {
    tiers {
      name
      version
      checkout
      retired
      trialDays
      ...TierPrices
    }
  }
`);

export type TierToChoose = TiersToChooseQuery['tiers'][number];

/** The tiers that are sold. */
export function useTiers(): readonly TierToChoose[] | undefined {
  return useQuery(TIERS).data?.tiers.filter(({ retired }) => !retired);
}

/** A tier, how often and in which currency it is paid, and for how many seats. */
export interface PriceChoice {
  tier: TierToChoose | null;
  setTier(name: TierName): void;
  prices: readonly Price[];
  /** null: the tier is free. */
  price: Price | null;
  setPrice(id: string): void;
  seats: SeatsInput;
  /** Whether nothing is missing. */
  ready: boolean;
}

/**
 * @param tiers those that may be chosen
 * @param currency the only one in which the tenant pays; null: each that the tier has
 */
export function usePriceChoice(
  tiers: readonly TierToChoose[],
  currency: string | null,
  { preselect = false }: { preselect?: boolean } = {},
): PriceChoice {
  const { subscription } = useTenantPage().tenant;
  const [name, setTier] = useState<TierName | null>(null);
  const [id, setPrice] = useState<string | null>(null);
  const tier = tiers.find((one) => one.name === name) ?? (preselect ? tiers[0] : null) ?? null;
  const prices = tier ? (currency ? pricesIn(tier, currency) : tier.prices) : [];
  const { price: paid, seats: present } = subscription;
  const price =
    prices.find((one) => one.id === id) ??
    prices.find((one) => paid && cycleKey(one) === cycleKey(paid)) ??
    prices[0] ??
    null;
  const seats = useSeats(price, paid?.perSeat ? present : 1);
  const ready = tier !== null && (!price?.perSeat || seats.settled !== null);
  return { tier, setTier, prices, price, setPrice, seats, ready };
}

export function PriceFields({
  label,
  tiers,
  choice,
  currency,
  hint,
  error,
}: {
  label: string;
  tiers: readonly TierToChoose[];
  choice: PriceChoice;
  currency: string | null;
  hint?: string | undefined;
  /** What was answered to the choice. */
  error?: unknown;
}) {
  const { tier, setTier, prices, price, setPrice, seats } = choice;
  const options = tiers.map((one) => ({
    value: one.name,
    label: `${one.name}: ${pricesText(one, currency)}`,
  }));
  return (
    <>
      <Select
        label={label}
        value={tier?.name ?? ''}
        onChange={(value) => setTier(value as TierName)}
        options={tier ? options : [{ value: '', label: 'Choose a tier' }, ...options]}
        hint={hint}
      />
      {tier && price && prices.length > 1 && (
        <Select
          label="Price"
          value={price.id}
          onChange={setPrice}
          options={prices.map((one) => ({ value: one.id, label: priceText(tier, one) }))}
        />
      )}
      {price?.perSeat && <SeatsField input={seats} error={error} />}
    </>
  );
}
