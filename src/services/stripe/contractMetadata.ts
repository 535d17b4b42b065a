import { limitsSchema, type TierLimits } from '../tiers/catalogue.js';

/** Terms that the operator agreed on. They travel as metadata of the subscription, so that they begin and end with it. */
export interface Contract {
  /** Tells one set of terms from another. */
  id: string;
  tier: string;
  limits: Partial<TierLimits>;
}

const contractLimits = limitsSchema.partial();

export const contractMetadata = ({ id, tier, limits }: Contract): Record<string, string> => ({
  contract: id,
  tier: tier.toLowerCase(),
  contract_limits: JSON.stringify(limits),
});

/** @throws Error for limits that nobody here has written */
export function contractOf(metadata: Readonly<Record<string, string>>): Contract | null {
  const { contract: id, tier, contract_limits: limits } = metadata;
  if (!id || !tier) return null;
  return {
    id,
    tier: tier.toUpperCase(),
    limits: contractLimits.parse(JSON.parse(limits || '{}')) as Partial<TierLimits>,
  };
}
