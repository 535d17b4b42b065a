import type { ReactNode } from 'react';
import { PriceCard } from '../../design/index.js';
import { type Price, priceOf } from '../../prices/prices.js';
import { amountsOf, type Tier } from './tierTerms.js';

/** A tier of the catalogue, the same on both pages. */
export function TierCard({
  tier,
  price,
  heading,
  badge,
  note,
  action,
  current,
}: {
  tier: Tier;
  /** Default: the shortest interval's. */
  price?: Price | null;
  heading?: 'h2' | 'h3';
  badge?: ReactNode;
  note?: ReactNode;
  action?: ReactNode;
  current?: boolean;
}) {
  return (
    <PriceCard
      name={tier.displayName}
      heading={heading}
      badge={badge}
      description={tier.description}
      {...priceOf(tier, price ?? undefined)}
      note={note}
      action={action}
      amounts={amountsOf(tier)}
      features={tier.featureNames}
      foot={tier.support && `Support: ${tier.support}`}
      current={current}
    />
  );
}
