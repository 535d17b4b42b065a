import type { ReactNode } from 'react';
import { PriceCard } from '../../design/index.js';
import { amountsOf, priceOf, type Tier } from './tierTerms.js';

/** A tier of the catalogue, the same on both pages. */
export function TierCard({
  tier,
  badge,
  note,
  action,
  current,
}: {
  tier: Tier;
  badge?: ReactNode;
  note?: ReactNode;
  action?: ReactNode;
  current?: boolean;
}) {
  return (
    <PriceCard
      name={tier.displayName}
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
