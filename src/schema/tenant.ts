import { ArgsType, Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { TenantState } from '../services/billing/tenantSearch/tenantSearch.js';
import { TenantSort } from '../services/insights/tenantRanking.js';
import { IsCount, IsEmail, IsName, MaxItems, MaxLength } from './constraints.js';
import { connectionOf, PageArgs } from './pagination.js';
import { BigIntScalar, DateTimeScalar } from './scalars.js';
import { TenantErasure } from './tenantData.js';
import { IsExternalId, TenantArgs, TenantInput } from './tenantRef.js';
import { StoredLimit, TierName } from './tier.js';

@ObjectType({ description: 'What a subscription costs a month.' })
export class MonthlyRevenue {
  @Field({ description: 'ISO 4217, lower case.' })
  currency!: string;

  @Field(() => BigIntScalar, { description: 'In the smallest unit of the currency.' })
  cents!: number;
}

@ObjectType('Tenant', { description: 'A customer of the operator.' })
export class TenantType {
  @Field(() => ID)
  id!: string;

  @Field(() => ID, { nullable: true, description: "The operator's own id of the tenant." })
  externalId!: string | null;

  @Field()
  name!: string;

  @Field(() => String, { nullable: true })
  email!: string | null;

  @Field(() => DateTimeScalar)
  createdAt!: Date;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Since when metered operations are rejected with `TENANT_SUSPENDED`; null if they are not.',
  })
  suspendedAt!: Date | null;

  @Field(() => TenantErasure, {
    nullable: true,
    description: 'Of a tenant that is being erased or was: the other fields are then empty.',
  })
  erasure!: TenantErasure | null;
}

@ObjectType({ description: 'Limits that a contract sets in place of the tier’s. null: the tier’s applies.' })
export class OverriddenLimits {
  @Field(() => BigIntScalar, { nullable: true })
  apiCallsPerDay?: number;

  @Field(() => Int, { nullable: true })
  apiCallsPerMinute?: number;

  @Field(() => Int, { nullable: true })
  concurrentRequests?: number;

  @Field(() => BigIntScalar, { nullable: true })
  maxMemories?: number;

  @Field(() => BigIntScalar, { nullable: true })
  maxEmbeddings?: number;

  @Field(() => BigIntScalar, { nullable: true })
  maxStorageBytes?: number;

  @Field(() => Int, { nullable: true })
  maxExtractionBatchSize?: number;

  @Field(() => Int, { nullable: true })
  federationPriority?: number;

  @Field(() => [StoredLimit], { nullable: true })
  stored!: StoredLimit[] | null;
}

@ObjectType({ description: 'What `setTenantLimits` has set for a tenant.' })
export class LimitOverrides {
  @Field(() => TierName, { nullable: true, description: 'null: the tier follows from the subscription.' })
  tier!: string | null;

  @Field(() => OverriddenLimits)
  limits!: OverriddenLimits;

  @Field({ description: 'Whether they apply now: `until` has not passed.' })
  inForce!: boolean;

  @Field(() => DateTimeScalar, { nullable: true, description: 'null: they do not end by themselves.' })
  until!: Date | null;

  @Field(() => String, { nullable: true, description: 'Only the operator sees it.' })
  reason!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Who set them last, as in the audit log: `operator:<key id>`. Only the operator sees it.',
  })
  author!: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'null if an earlier version set them.' })
  setAt!: Date | null;
}

registerEnumType(TenantSort, {
  name: 'TenantSort',
  valuesConfig: {
    OLDEST: { description: 'By creation.' },
    NEWEST: { description: 'By creation. New tenants follow within seconds.' },
    USAGE: { description: 'Most calls of this UTC month first. The order follows within a minute.' },
    REVENUE: { description: 'Highest monthly revenue first. The order follows within seconds.' },
  },
});

export const TenantConnection = connectionOf('Tenant', () => TenantType);

registerEnumType(TenantState, {
  name: 'TenantState',
  valuesConfig: {
    PAST_DUE: { description: 'A payment of its subscription failed and is still due.' },
    OVER_LIMIT: {
      description:
        "Has used 100 % of a limit: of today's calls, or in this month of its storage or its overage. A limit that was raised since still counts.",
    },
    NEAR_LIMIT: { description: 'Has used at least 80 % of such a limit, and 100 % of none.' },
    ERASED: {
      description: 'Is being erased or was. Such tenants are not listed otherwise, except by their id.',
    },
  },
});

@ArgsType()
export class TenantsArgs extends PageArgs {
  @Field(() => String, {
    nullable: true,
    description:
      'The beginning of a name, an e-mail address or your own id of a tenant; or the whole id of a tenant, or of a customer or subscription at Stripe.',
  })
  @MaxLength(100)
  search?: string | null;

  @Field(() => TierName, { nullable: true })
  tier?: string | null;

  @Field(() => TenantState, { nullable: true })
  state?: TenantState | null;

  @Field(() => TenantSort, {
    nullable: true,
    defaultValue: TenantSort.OLDEST,
    description: 'A search has an order of its own: with one, only the default is allowed.',
  })
  sort?: TenantSort | null;
}

@ObjectType()
export class NewTenantKey {
  @Field(() => ID)
  id!: string;

  @Field({ description: 'The complete key. It is shown only once.' })
  secret!: string;
}

@ObjectType({ description: 'A new tenant and its first key.' })
export class NewTenant {
  @Field(() => TenantType, {
    nullable: true,
    description: 'null only if a field selected below it failed. The tenant and its key exist nevertheless.',
  })
  tenant!: TenantType;

  @Field(() => NewTenantKey, { nullable: true, description: 'null if the tenant existed already.' })
  apiKey!: NewTenantKey | null;
}

@InputType()
export class CreateTenantInput {
  @Field()
  @IsName(200)
  name!: string;

  @Field(() => String, { nullable: true })
  @MaxLength(320)
  @IsEmail()
  email?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Your own id of the tenant. If a tenant has it already, that tenant is returned, unchanged.',
  })
  @IsExternalId()
  externalId?: string | null;
}

@InputType({ description: 'What is left out stays as it is.' })
export class UpdateTenantInput {
  @Field(() => String, { nullable: true })
  @IsName(200)
  name?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Also becomes the address of the customer at Stripe, if there is one. null removes it only here.',
  })
  @MaxLength(320)
  @IsEmail()
  email?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: "The operator's own id of the tenant, which only the operator can change. null removes it.",
  })
  @IsExternalId()
  externalId?: string | null;
}

@ArgsType()
export class SuspendTenantArgs extends TenantArgs {
  @Field(() => String, { nullable: true, description: 'For operators: the tenant does not see it.' })
  @MaxLength(500)
  reason?: string | null;
}

const MAX_INT = 2 ** 31 - 1;

@InputType()
export class StoredLimitInput {
  @Field()
  @MaxLength(40)
  resource!: string;

  @Field(() => BigIntScalar)
  @IsCount()
  limit!: number;
}

@InputType({
  description:
    'Overrides of limits. null removes an override; the largest value means unlimited: 9007199254740991, or 2147483647 of an Int.',
})
export class TierLimitsInput {
  @Field(() => BigIntScalar, { nullable: true })
  @IsCount()
  apiCallsPerDay?: number | null;

  @Field(() => Int, { nullable: true })
  @IsCount(MAX_INT)
  apiCallsPerMinute?: number | null;

  @Field(() => Int, { nullable: true })
  @IsCount(MAX_INT)
  concurrentRequests?: number | null;

  @Field(() => BigIntScalar, { nullable: true })
  @IsCount()
  maxMemories?: number | null;

  @Field(() => BigIntScalar, { nullable: true })
  @IsCount()
  maxEmbeddings?: number | null;

  @Field(() => BigIntScalar, { nullable: true })
  @IsCount()
  maxStorageBytes?: number | null;

  @Field(() => Int, { nullable: true })
  @IsCount(MAX_INT)
  maxExtractionBatchSize?: number | null;

  @Field(() => Int, { nullable: true })
  @IsCount(MAX_INT)
  federationPriority?: number | null;

  @Field(() => [StoredLimitInput], {
    nullable: true,
    description:
      'Limits of the other resources in the catalogue. The list replaces all earlier overrides: a resource that is not listed has the limit of its tier.',
  })
  @MaxItems(50)
  stored?: StoredLimitInput[] | null;
}

@InputType()
export class SetTenantLimitsInput extends TenantInput {
  @Field(() => TierName, {
    nullable: true,
    description: 'The tier that the tenant has regardless of what it pays for. null removes the override.',
  })
  tier?: string | null;

  @Field(() => TierLimitsInput, { nullable: true, description: 'null removes all overrides.' })
  limits?: TierLimitsInput | null;

  @Field(() => String, { nullable: true, description: 'Why, for operators.' })
  @MaxLength(500)
  reason?: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When all overrides of the tenant end. null: they do not end by themselves.',
  })
  until?: Date | null;
}
