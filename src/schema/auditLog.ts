import { ArgsType, Field, ID, ObjectType } from 'type-graphql';
import { MaxLength } from './constraints.js';
import { connectionOf } from './pagination.js';
import { DateTimeScalar, JsonObjectScalar } from './scalars.js';
import { TenantPageArgs } from './tenantRef.js';

const MAX_ACTION_LENGTH = 60;

@ObjectType({ description: 'A change of money, keys, limits, access or tenants.' })
export class AuditEntry {
  @Field(() => ID)
  id!: string;

  @Field(() => DateTimeScalar)
  at!: Date;

  @Field({
    description:
      'Who made the change: `key:<id>`, `token:<id>`, `jwt:<tenant>`, `operator:<key id>`, `stripe:<event id>` or `system:<what>`. Tenants read `operator` without the key.',
  })
  actor!: string;

  @Field({ description: 'For example `key.revoked`.' })
  action!: string;

  @Field(() => JsonObjectScalar, {
    nullable: true,
    description: 'The state before, as far as it changed. Personal values that were erased are `[erased]`.',
  })
  before!: object | null;

  @Field(() => JsonObjectScalar, { nullable: true })
  after!: object | null;

  @Field(() => String, {
    nullable: true,
    description: 'The `x-request-id` of the request that made the change.',
  })
  requestId!: string | null;
}

export const AuditEntryConnection = connectionOf('AuditEntry', () => AuditEntry);

@ArgsType()
export class AuditLogArgs extends TenantPageArgs {
  @Field(() => String, { nullable: true, description: 'Only this action, for example `key.revoked`.' })
  @MaxLength(MAX_ACTION_LENGTH)
  action?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'The earliest time.' })
  from?: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'The end of the time range, not included.' })
  to?: Date | null;
}
