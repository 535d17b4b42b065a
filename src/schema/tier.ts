import { Field, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { TierLimits } from '../services/tiers/catalogue.js';
import { BigIntScalar } from './scalars.js';

/** The values are the catalogue's: buildSchema puts them in. */
export const TierName = { FREE: 'FREE', PRO: 'PRO', ENTERPRISE: 'ENTERPRISE' } as const;
export const Feature = {
  FEDERATION: 'FEDERATION',
  REALTIME_SYNC: 'REALTIME_SYNC',
  SEMANTIC_SEARCH: 'SEMANTIC_SEARCH',
} as const;
registerEnumType(TierName, { name: 'TierName', description: 'The tiers of the catalogue.' });
registerEnumType(Feature, { name: 'Feature', description: 'The features of the catalogue.' });

@ObjectType({ description: 'How many of a resource may be stored.' })
export class StoredLimit {
  @Field({ description: 'A resource of the catalogue.' })
  resource!: string;

  @Field(() => BigIntScalar)
  limit!: number;
}

@ObjectType('TierLimits', { description: 'What a tier allows.' })
export class TierLimitsType implements Omit<TierLimits, 'stored'> {
  @Field(() => BigIntScalar)
  apiCallsPerDay!: number;

  @Field(() => Int)
  apiCallsPerMinute!: number;

  @Field(() => Int)
  concurrentRequests!: number;

  @Field(() => BigIntScalar)
  maxMemories!: number;

  @Field(() => BigIntScalar)
  maxEmbeddings!: number;

  @Field(() => BigIntScalar)
  maxStorageBytes!: number;

  @Field(() => Int, {
    description: 'Items of the endpoint `extraction` in one operation; more are rejected.',
  })
  maxExtractionBatchSize!: number;

  @Field(() => Int, {
    description:
      'For services that queue federated work: higher goes first; 0: no federation. Nothing waits by it here.',
  })
  federationPriority!: number;

  @Field(() => [StoredLimit], { description: 'Of what the catalogue stores besides memories.' })
  stored!: StoredLimit[];
}

@ObjectType('Tier', { description: 'What a tenant can buy.' })
export class TierType {
  @Field(() => TierName)
  name!: string;

  @Field(() => Int, { description: "Of a tenant's tier: the version that it bought." })
  version!: number;

  @Field(() => Int, { nullable: true, description: 'null: priced by contract.' })
  monthlyPriceCents!: number | null;

  @Field({ description: 'ISO 4217, lower case.' })
  currency!: string;

  @Field(() => [Feature])
  features!: string[];

  @Field(() => Int, { description: "Of a tenant's first subscription; 0: none." })
  trialDays!: number;

  @Field(() => TierLimitsType, { description: "With a contract's overrides, where it is a tenant's tier." })
  limits!: TierLimitsType;
}
