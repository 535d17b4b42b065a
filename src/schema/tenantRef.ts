import { ArgsType, Field, ID, InputType } from 'type-graphql';
import {
  isExternalId,
  MAX_EXTERNAL_ID_LENGTH,
  type TenantIds,
} from '../services/accounts/tenantDirectory.js';
import { Satisfies } from './constraints.js';
import { PageArgs } from './pagination.js';

/** The tenant that an operator's request is about, by one of its ids. */
export type TenantRef = TenantIds;

const MAX_ID_LENGTH = 100;

/** An empty one would count as none, and a request of the operator would be about something else. */
export const IsTenantId = () =>
  Satisfies(
    (value) => typeof value === 'string' && value.length > 0 && value.length <= MAX_ID_LENGTH,
    `must have 1 to ${MAX_ID_LENGTH} characters`,
  );

export const IsExternalId = () =>
  Satisfies(
    isExternalId,
    `must have 1 to ${MAX_EXTERNAL_ID_LENGTH} printable characters, without white space at its ends`,
  );

export const TENANT_ID = {
  nullable: true,
  description: "With an operator's key, this or `externalId` is required.",
};
/** For fields that tenants and services select too. */
export const OPTIONAL_TENANT_ID = {
  nullable: true,
  description: 'With the key of an operator or a service, this or `externalId` is required.',
};
export const EXTERNAL_ID = {
  nullable: true,
  description: 'Your own id of the tenant, instead of `tenantId`.',
};

@ArgsType()
export class TenantArgs implements TenantRef {
  @Field(() => ID, TENANT_ID)
  @IsTenantId()
  tenantId?: string | null;

  @Field(() => ID, EXTERNAL_ID)
  @IsExternalId()
  externalId?: string | null;
}

@ArgsType()
export class TenantPageArgs extends PageArgs implements TenantRef {
  @Field(() => ID, TENANT_ID)
  @IsTenantId()
  tenantId?: string | null;

  @Field(() => ID, EXTERNAL_ID)
  @IsExternalId()
  externalId?: string | null;
}

@InputType()
export class OptionalTenantInput implements TenantRef {
  @Field(() => ID, OPTIONAL_TENANT_ID)
  @IsTenantId()
  tenantId?: string | null;

  @Field(() => ID, EXTERNAL_ID)
  @IsExternalId()
  externalId?: string | null;
}

@InputType()
export class TenantInput implements TenantRef {
  @Field(() => ID, { nullable: true, description: 'This or `externalId` is required.' })
  @IsTenantId()
  tenantId?: string | null;

  @Field(() => ID, EXTERNAL_ID)
  @IsExternalId()
  externalId?: string | null;
}
