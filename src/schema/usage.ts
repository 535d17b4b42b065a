import { ArgsType, Field, Float, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { UsageReportKind, UsageReportStatus } from '../services/billing/usageReports/usageReports.js';
import { UsageGranularity, UsagePeriod, type UsageReading } from '../services/usage/usage.js';
import { IsInt, Matches, Max, Min } from './constraints.js';
import { connectionOf, PageArgs } from './pagination.js';
import { BigIntScalar, DateTimeScalar } from './scalars.js';
import { IsExternalId, IsTenantId, type TenantRef } from './tenantRef.js';
import { StoredLimit, TierLimitsType } from './tier.js';

registerEnumType(UsagePeriod, { name: 'UsagePeriod', description: 'UTC minutes, hours, days and months.' });
registerEnumType(UsageGranularity, { name: 'UsageGranularity', description: 'In UTC.' });

@ObjectType()
export class EndpointUsage {
  @Field()
  endpoint!: string;

  @Field(() => BigIntScalar)
  calls!: number;
}

export const DEFAULT_ENDPOINTS = 100;
/** The 500 names that are counted separately in a day, and `(other)`. */
export const MAX_ENDPOINTS = 501;

@ObjectType('Usage', { description: 'What a tenant used in one window of time.' })
export class UsageType implements UsageReading {
  @Field(() => ID)
  tenantId!: string;

  @Field(() => UsagePeriod)
  period!: UsagePeriod;

  @Field(() => DateTimeScalar)
  from!: Date;

  @Field(() => DateTimeScalar)
  to!: Date;

  @Field(() => BigIntScalar)
  apiCalls!: number;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'null if this period has no limit of its own, or an unlimited one.',
  })
  limit!: number | null;

  @Field(() => BigIntScalar, { nullable: true })
  remaining!: number | null;

  @Field(() => DateTimeScalar)
  resetsAt!: Date;

  /** All endpoints; the field `byEndpoint(first)` has a resolver. */
  byEndpoint!: EndpointUsage[];

  @Field(() => BigIntScalar, { description: 'Not recorded per minute or hour.' })
  federationShares!: number;

  @Field(() => BigIntScalar, {
    description: 'Calls of the endpoint `extraction`. Not recorded per minute or hour.',
  })
  extractions!: number;

  @Field(() => BigIntScalar, {
    description:
      'Paid calls beyond the daily quota, which apiCalls includes. Not recorded per minute or hour.',
  })
  overageCalls!: number;

  @Field(() => Float, { description: "The cost of these calls at today's price, with fractions of a cent." })
  overageCostCents!: number;
}

@ObjectType()
export class StoredResource extends StoredLimit {
  @Field(() => BigIntScalar)
  stored!: number;
}

@ObjectType({ description: 'What a tenant stores, and its limits.' })
export class StorageUsage {
  @Field(() => BigIntScalar)
  memories!: number;

  @Field(() => BigIntScalar)
  embeddings!: number;

  @Field(() => BigIntScalar)
  bytes!: number;

  @Field(() => [StoredResource], { description: 'The other resources in the catalogue.' })
  resources!: StoredResource[];

  @Field(() => TierLimitsType)
  limits!: TierLimitsType;
}

@InputType()
export class ReportUsageInput {
  @Field(() => Int)
  @IsInt()
  @Min(1)
  @Max(1_000_000_000)
  quantity!: number;

  @Field(() => String, {
    nullable: true,
    description: 'A request with a key that was used before reports nothing.',
  })
  @Matches(/^[\w:.-]{1,60}$/, 'must have 1 to 60 letters, digits or _ : . -')
  idempotencyKey?: string | null;
}

registerEnumType(UsageReportKind, {
  name: 'UsageReportKind',
  valuesConfig: {
    OVERAGE: { description: 'Calls beyond the daily quota, reported once an hour.' },
    MANUAL: { description: 'Reported by `reportUsage`.' },
  },
});
registerEnumType(UsageReportStatus, {
  name: 'UsageReportStatus',
  valuesConfig: {
    PENDING: { description: 'Being sent until Stripe has it.' },
    CANCELING: { description: 'Too much was reported, so it is being canceled at Stripe.' },
    FAILED: { description: 'Stripe rejected it and does not count it.' },
  },
});

@ObjectType('UsageReport', { description: "Usage that is reported to Stripe's meter exactly once." })
export class UsageReportType {
  @Field(() => ID, { description: 'The idempotency key, or `overage/<day>/<number>`.' })
  id!: string;

  @Field(() => ID)
  tenantId!: string;

  @Field(() => UsageReportKind)
  kind!: UsageReportKind;

  @Field(() => BigIntScalar)
  quantity!: number;

  @Field(() => UsageReportStatus)
  status!: UsageReportStatus;

  @Field(() => DateTimeScalar, { description: 'The time at which Stripe counts it.' })
  at!: Date;

  @Field(() => DateTimeScalar, { nullable: true })
  reportedAt!: Date | null;

  @Field(() => String, {
    nullable: true,
    description: "Stripe's last error message; only the operator sees it.",
  })
  error!: string | null;

  @Field(() => Int, { description: 'Attempts that failed.' })
  tries!: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When it is sent, or sent again. null: nothing is left to do.',
  })
  nextTryAt!: Date | null;
}

export const UsageReportConnection = connectionOf('UsageReport', () => UsageReportType);

@ArgsType()
export class UsageReportsArgs extends PageArgs implements TenantRef {
  @Field(() => ID, { nullable: true, description: "With an operator's key and neither id: all tenants." })
  @IsTenantId()
  tenantId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Your own id of the tenant, instead of `tenantId`.' })
  @IsExternalId()
  externalId?: string | null;

  @Field(() => UsageReportStatus, { nullable: true })
  status?: UsageReportStatus | null;
}
