import { limitsSchema, type TierDefinition, type TierLimits } from '../../../catalogue/catalogue.js';

/** Terms that the operator negotiated. They are stored as the subscription's metadata, so that they begin and end with it. */
export interface Contract {
  /** Identifies this set of terms. */
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

/** A contract as read from Stripe. Limits that cannot be parsed, for example after an edit in the dashboard, are null. */
export type ReadContract = Omit<Contract, 'limits'> & { limits: Contract['limits'] | null };

export function contractOf(metadata: Readonly<Record<string, string>>): ReadContract | null {
  const { contract: id, tier, contract_limits: limits } = metadata;
  if (!id || !tier) return null;
  return { id, tier: tier.toUpperCase(), limits: limitsOf(limits || '{}') };
}

function limitsOf(json: string): Contract['limits'] | null {
  try {
    return contractLimits.parse(JSON.parse(json)) as Contract['limits'];
  } catch {
    return null;
  }
}

/** What was bought, and in which version of the catalogue. */
export const tierMetadata = ({ name, version }: TierDefinition): Record<string, string> => ({
  tier: name.toLowerCase(),
  tier_version: String(version),
});
