import type { ReactNode } from 'react';
import { PriceCard } from '../../design/index.js';
import { amountsOf, priceOf, type Tier } from './tierTerms.js';

/** A tier of the catalogue, the same on both pages. */
export function TierCard({
  tier,
  heading,
  badge,
  note,
  action,
  current,
}: {
  tier: Tier;
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
      {...priceOf(tier)}
      note={note}
      action={action}
      amounts={amountsOf(tier)}
      features={tier.featureNames}
      foot={tier.support && `Support: ${tier.support}`}
      current={current}
    />
  );
}
