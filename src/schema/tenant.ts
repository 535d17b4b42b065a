import { ArrayMaxSize, IsEmail, IsOptional, MaxLength, ValidateNested } from 'class-validator';
import { ArgsType, Field, ID, InputType, Int, ObjectType } from 'type-graphql';

import { connectionOf, PageArgs } from './pagination.js';
import { BigIntScalar } from './scalars.js';
import { TierName } from './tier.js';
import { IsCount, IsFilled } from './validators.js';

@ObjectType('Tenant', { description: 'A customer of the operator.' })
export class TenantType {
  @Field(() => ID)
  id!: string;

  @Field()
  name!: string;

  @Field(() => String, { nullable: true })
  email!: string | null;
}

export const TenantConnection = connectionOf('Tenant', () => TenantType);

@ArgsType()
export class TenantsArgs extends PageArgs {
  @Field(() => String, {
    nullable: true,
    description: 'An id, or the beginning of a name or e-mail address.',
  })
  @IsOptional()
  @MaxLength(100)
  search?: string | null;

  @Field(() => TierName, { nullable: true })
  tier?: string | null;
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

  @Field(() => NewTenantKey)
  apiKey!: NewTenantKey;
}

@InputType()
export class CreateTenantInput {
  @Field()
  @IsFilled()
  @MaxLength(200)
  name!: string;

  @Field(() => String, { nullable: true })
  @IsOptional()
  @MaxLength(320)
  @IsEmail({}, { message: 'must be an e-mail address' })
  email?: string | null;
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

@InputType({ description: 'Overrides of limits. null removes an override.' })
export class TierLimitsInput {
  @Field(() => BigIntScalar, { nullable: true })
  @IsOptional()
  @IsCount()
  apiCallsPerDay?: number | null;

  @Field(() => Int, { nullable: true })
  @IsOptional()
  @IsCount(MAX_INT)
  apiCallsPerMinute?: number | null;

  @Field(() => Int, { nullable: true })
  @IsOptional()
  @IsCount(MAX_INT)
  concurrentRequests?: number | null;

  @Field(() => BigIntScalar, { nullable: true })
  @IsOptional()
  @IsCount()
  maxMemories?: number | null;

  @Field(() => BigIntScalar, { nullable: true })
  @IsOptional()
  @IsCount()
  maxEmbeddings?: number | null;

  @Field(() => BigIntScalar, { nullable: true })
  @IsOptional()
  @IsCount()
  maxStorageBytes?: number | null;

  @Field(() => Int, { nullable: true })
  @IsOptional()
  @IsCount(MAX_INT)
  maxExtractionBatchSize?: number | null;

  @Field(() => Int, { nullable: true })
  @IsOptional()
  @IsCount(MAX_INT)
  federationPriority?: number | null;

  @Field(() => [StoredLimitInput], {
    nullable: true,
    description:
      'Limits of the other resources in the catalogue. The list replaces all earlier overrides: a resource that is not listed has the limit of its tier.',
  })
  @IsOptional()
  @ArrayMaxSize(50)
  @ValidateNested()
  stored?: StoredLimitInput[] | null;
}

@InputType()
export class SetTenantLimitsInput {
  @Field(() => ID)
  @MaxLength(100)
  tenantId!: string;

  @Field(() => TierName, {
    nullable: true,
    description: 'The tier that the tenant has regardless of what it pays for. null removes the override.',
  })
  tier?: string | null;

  @Field(() => TierLimitsInput, { nullable: true, description: 'null removes all overrides.' })
  @IsOptional()
  @ValidateNested()
  limits?: TierLimitsInput | null;
}
