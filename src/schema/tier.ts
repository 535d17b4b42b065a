import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { TierLimits } from '../catalogue/catalogue.js';
import { BigIntScalar } from './scalars.js';

/** Placeholders: `buildSchema` replaces the values of both enums with those of the catalogue. */
export const TierName = { FREE: 'FREE', PRO: 'PRO', ENTERPRISE: 'ENTERPRISE' } as const;
export const Feature = {
  FEDERATION: 'FEDERATION',
  REALTIME_SYNC: 'REALTIME_SYNC',
  SEMANTIC_SEARCH: 'SEMANTIC_SEARCH',
} as const;
registerEnumType(TierName, { name: 'TierName', description: 'The tiers of the catalogue.' });
registerEnumType(Feature, { name: 'Feature', description: 'The features of the catalogue.' });

@ObjectType({ description: 'How much of a resource may be stored.' })
export class StoredLimit {
  @Field({ description: 'A resource of the catalogue.' })
  resource!: string;

  @Field(() => BigIntScalar)
  limit!: number;
}

export enum TierCheckout {
  NONE = 'NONE',
  SELF_SERVICE = 'SELF_SERVICE',
  CONTACT_SALES = 'CONTACT_SALES',
}
registerEnumType(TierCheckout, {
  name: 'TierCheckout',
  description: 'How a tier is bought.',
  valuesConfig: {
    NONE: { description: 'It costs nothing.' },
    SELF_SERVICE: { description: 'With `createCheckoutSession`.' },
    CONTACT_SALES: { description: 'By agreement with the operator.' },
  },
});

export enum TrialEndWithoutCard {
  CANCEL = 'CANCEL',
  PAUSE = 'PAUSE',
  INVOICE = 'INVOICE',
}
registerEnumType(TrialEndWithoutCard, {
  name: 'TrialEndWithoutCard',
  description: 'What happens to a trial without a card when it ends.',
  valuesConfig: {
    CANCEL: { description: 'The subscription ends, and the tenant has the default tier.' },
    PAUSE: { description: 'The subscription is paused until there is a card and `resumeSubscription`.' },
    INVOICE: { description: 'The payment is overdue, and the grace period begins.' },
  },
});

export enum PriceInterval {
  MONTH = 'month',
  YEAR = 'year',
}
registerEnumType(PriceInterval, { name: 'PriceInterval', description: 'How often a price is paid.' });

@ObjectType({ description: 'What a tier costs at one interval, in one currency.' })
export class TierPrice {
  @Field(() => ID, { description: 'For instance `pro_yearly_eur`. It stays when the amount changes.' })
  id!: string;

  @Field(() => PriceInterval)
  interval!: string;

  @Field(() => Int, { description: 'It is paid every so many intervals.' })
  intervalCount!: number;

  @Field({ description: 'ISO 4217, lower case.' })
  currency!: string;

  @Field(() => Int, { description: 'In the smallest unit of the currency.' })
  unitAmount!: number;

  @Field({ description: 'Whether `unitAmount` is for one seat.' })
  perSeat!: boolean;

  @Field({ description: 'For people, after the amount: `a month`, `per seat every 3 months`.' })
  per!: string;
}

@ObjectType({ description: 'The price of calls beyond the daily quota.' })
export class TierOverage {
  @Field(() => Int, { description: 'For `perCalls` calls, in the smallest unit of the currency.' })
  priceCents!: number;

  @Field(() => Int)
  perCalls!: number;
}

@ObjectType('TierLimits', {
  description:
    'What a tier allows. A limit with the largest value of its type is unlimited: 9007199254740991, or 2147483647 of an Int.',
})
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
    description:
      'Maximum number of items of the endpoint `extraction` in one operation. A larger operation is rejected.',
  })
  maxExtractionBatchSize!: number;

  @Field(() => Int, {
    description:
      'For services that queue federated work: higher values go first, and 0 means no federation. This server does not queue by it.',
  })
  federationPriority!: number;

  @Field(() => [StoredLimit], { description: 'Limits of the other resources in the catalogue.' })
  stored!: StoredLimit[];
}

@ObjectType('Tier', { description: 'What a tenant can buy.' })
export class TierType {
  @Field(() => TierName)
  name!: string;

  @Field({ description: 'For people: `Pro`.' })
  displayName!: string;

  @Field({ description: 'A sentence or two for people; empty if the catalogue has none.' })
  description!: string;

  @Field({ description: 'Whether only operators sell it. It is on no price list.' })
  hidden!: boolean;

  @Field({ description: 'Whether it is no longer sold. Those who have it keep it.' })
  retired!: boolean;

  @Field(() => TierName, {
    nullable: true,
    description:
      'The tier to which subscriptions of a retired tier move when their period ends, after the operator has started that.',
  })
  successor!: string | null;

  @Field(() => Int, {
    description: "The version of the tier. For a tenant's tier, the version that it bought.",
  })
  version!: number;

  @Field(() => Int, {
    nullable: true,
    description: 'In `currency`. null if the tier is priced by contract, or has no monthly price.',
  })
  monthlyPriceCents!: number | null;

  @Field({ description: "The catalogue's own: ISO 4217, lower case." })
  currency!: string;

  @Field(() => [TierPrice], {
    description: 'Every price, those in `currency` first. Empty if the tier is free or priced by contract.',
  })
  prices!: TierPrice[];

  @Field(() => [Feature])
  features!: string[];

  @Field(() => [String], { description: 'The names of `features` for people, in the same order.' })
  featureNames!: string[];

  @Field(() => TierCheckout)
  checkout!: string;

  @Field(() => TierOverage, {
    nullable: true,
    description: 'What calls beyond the daily quota cost. null: they are rejected.',
  })
  overage!: TierOverage | null;

  @Field({ description: 'In words, for people.' })
  support!: string;

  @Field(() => Int, { description: "Trial days of a tenant's first subscription; 0 means no trial." })
  trialDays!: number;

  @Field({ description: 'Whether the checkout of a trial asks for a card.' })
  trialRequiresCard!: boolean;

  @Field(() => TrialEndWithoutCard, { description: 'What happens to a trial without a card when it ends.' })
  trialEndWithoutCard!: string;

  @Field(() => TierLimitsType, {
    description: "For a tenant's tier, includes the overrides of its contract.",
  })
  limits!: TierLimitsType;

  @Field(() => [String], {
    description:
      'The limits, and resources, that are for each seat. Those of a subscription are for all its seats.',
  })
  limitsPerSeat!: string[];
}
