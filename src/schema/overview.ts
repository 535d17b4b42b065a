import { ArgsType, Field, Float, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { MAX_HISTORY_DAYS } from '../services/insights/dailyFigures.js';
import { Max, Min } from './constraints.js';
import { connectionOf } from './pagination.js';
import { BigIntScalar, DateTimeScalar } from './scalars.js';
import { ServerInstance } from './serverInstance.js';
import { TenantType } from './tenant.js';
import { TierName } from './tier.js';

/** Why a limit rejected something; `RejectionReason` in capitals. */
export enum RejectionKind {
  MINUTE = 'MINUTE',
  DAY = 'DAY',
  CONCURRENT = 'CONCURRENT',
  FIELD = 'FIELD',
  FEATURE = 'FEATURE',
  STORAGE = 'STORAGE',
  EXTRACTION = 'EXTRACTION',
  SUSPENDED = 'SUSPENDED',
  OTHER = 'OTHER',
}
registerEnumType(RejectionKind, {
  name: 'RejectionKind',
  description: 'Which limit rejected calls.',
  valuesConfig: {
    MINUTE: { description: 'Calls in a minute.' },
    DAY: { description: 'Calls on a UTC day.' },
    CONCURRENT: { description: 'Concurrent requests.' },
    FIELD: { description: 'A limit of one field.' },
    FEATURE: { description: 'A feature that the tier lacks.' },
    STORAGE: { description: 'A storage quota.' },
    EXTRACTION: { description: 'A larger extraction than the tier allows.' },
    SUSPENDED: { description: 'The tenant was suspended.' },
  },
});

export enum HealthState {
  OK = 'OK',
  DEGRADED = 'DEGRADED',
  DOWN = 'DOWN',
  OFF = 'OFF',
}
registerEnumType(HealthState, {
  name: 'HealthState',
  valuesConfig: {
    DEGRADED: { description: 'It works, but slowly or not always.' },
    OFF: { description: 'It is not configured.' },
  },
});

export enum StripeMode {
  LIVE = 'LIVE',
  MOCK = 'MOCK',
}
registerEnumType(StripeMode, { name: 'StripeMode' });

/** Figures with the time at which they were read. */
@ObjectType()
abstract class Read {
  @Field(() => DateTimeScalar, { description: 'When the figures were read.' })
  asOf!: Date;
}

@ObjectType({
  description: 'What tenants pay by the tier of their subscriptions, which a contract may override.',
})
export class TierRevenue {
  @Field(() => TierName)
  tier!: string;

  @Field(() => Int)
  payingTenants!: number;

  @Field(() => BigIntScalar)
  monthlyCents!: number;

  @Field(() => BigIntScalar, { nullable: true, description: 'null: there is no figure of that day.' })
  monthlyCents30DaysAgo!: number | null;
}

@ObjectType({ description: 'What tenants pay in one currency. Nothing is converted.' })
export class CurrencyRevenue {
  @Field({ description: 'ISO 4217, lower case.' })
  currency!: string;

  @Field(() => Int)
  payingTenants!: number;

  @Field(() => BigIntScalar, { description: 'In the smallest unit of the currency.' })
  monthlyCents!: number;

  @Field(() => BigIntScalar, { nullable: true, description: 'null: there is no figure of that day.' })
  monthlyCents30DaysAgo!: number | null;
}

@ObjectType({
  description:
    'Monthly recurring revenue in cents: subscriptions that are active, or past due within their grace period, at their prices at Stripe. Trials, discounts, taxes and overage are not in it.',
})
export class RevenueOverview extends Read {
  @Field({ description: "The catalogue's: ISO 4217, lower case." })
  currency!: string;

  @Field(() => BigIntScalar, { description: 'Of what is paid in `currency`; `byCurrency` has the others.' })
  monthlyCents!: number;

  @Field(() => Int, { description: 'In any currency.' })
  payingTenants!: number;

  @Field(() => Int, { description: 'Paying tenants whose price is not known.' })
  unpricedTenants!: number;

  @Field(() => BigIntScalar, { nullable: true, description: 'null: there is no figure of that day.' })
  monthlyCents30DaysAgo!: number | null;

  @Field(() => BigIntScalar, { nullable: true, description: 'Since 30 days ago.' })
  changeCents!: number | null;

  @Field(() => [TierRevenue], { description: 'Amounts in `currency`, tenants in any.' })
  byTier!: TierRevenue[];

  @Field(() => [CurrencyRevenue], { description: '`currency` first, then those that are paid in.' })
  byCurrency!: CurrencyRevenue[];
}

@ObjectType({ description: 'How many tenants have a tier.' })
export class TierTenants {
  @Field(() => TierName)
  tier!: string;

  @Field(() => Int)
  tenants!: number;

  @Field(() => Int, { nullable: true, description: 'null: there is no figure of that day.' })
  tenants30DaysAgo!: number | null;
}

@ObjectType({ description: 'A tenant whose payment failed.' })
export class PastDueTenant {
  @Field(() => TenantType)
  tenant!: TenantType;

  @Field(() => Int, {
    nullable: true,
    description:
      'What its subscription costs a month, in cents; null if that is not known, or no longer paid for.',
  })
  monthlyCents!: number | null;

  @Field(() => DateTimeScalar, { nullable: true })
  pastDueSince!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Until then it keeps its tier.' })
  graceEndsAt!: Date | null;
}

@ObjectType({ description: 'Numbers of tenants. “Today” is the UTC day, and 30 days include it.' })
export class TenantsOverview extends Read {
  @Field(() => Int, { description: 'Without erased tenants.' })
  total!: number;

  @Field(() => [TierTenants])
  byTier!: TierTenants[];

  @Field(() => Int)
  newToday!: number;

  @Field(() => Int)
  new30Days!: number;

  @Field(() => Int)
  startedPayingToday!: number;

  @Field(() => Int)
  startedPaying30Days!: number;

  @Field(() => Int)
  stoppedPayingToday!: number;

  @Field(() => Int)
  stoppedPaying30Days!: number;

  @Field(() => Int)
  suspended!: number;

  @Field(() => Int)
  pastDue!: number;

  @Field(() => Int)
  nearLimit!: number;

  @Field(() => Int)
  overLimit!: number;
}

@ObjectType()
export class CallsInHour {
  @Field(() => Int, { description: 'The UTC hour, 0 to 23.' })
  hour!: number;

  @Field(() => BigIntScalar, { nullable: true, description: 'null for hours that have not begun.' })
  today!: number | null;

  @Field(() => BigIntScalar)
  yesterday!: number;
}

@ObjectType({
  description:
    'Calls of all tenants by UTC day and hour. Each instance writes its own every five seconds: after a crash the last seconds may be missing. What each tenant used is exact.',
})
export class CallsOverview extends Read {
  @Field(() => BigIntScalar, { description: 'So far.' })
  today!: number;

  @Field(() => BigIntScalar, { description: 'The whole day.' })
  yesterday!: number;

  @Field(() => [CallsInHour])
  byHour!: CallsInHour[];
}

@ObjectType()
export class RejectionsOfKind {
  @Field(() => RejectionKind)
  kind!: RejectionKind;

  @Field(() => BigIntScalar)
  today!: number;

  @Field(() => BigIntScalar)
  yesterday!: number;
}

@ObjectType({ description: 'What the limits rejected, by UTC day.' })
export class RejectionsOverview extends Read {
  @Field(() => BigIntScalar)
  today!: number;

  @Field(() => BigIntScalar, { description: 'The whole day.' })
  yesterday!: number;

  @Field(() => [RejectionsOfKind], { description: 'Every kind, also those without any.' })
  byKind!: RejectionsOfKind[];
}

const COUNTED = 'Counted up to 10000.';

@ObjectType({ description: 'Events from Stripe.' })
export class WebhookEventsOverview extends Read {
  @Field(() => Int, { description: `Not applied yet. ${COUNTED}` })
  pending!: number;

  @Field(() => Int, { description: `Failed after the last retry. ${COUNTED}` })
  failed!: number;

  @Field(() => DateTimeScalar, { nullable: true, description: 'null: none is pending.' })
  oldestPendingAt!: Date | null;

  @Field(() => Int, { nullable: true })
  oldestPendingAgeSeconds!: number | null;

  @Field(() => Int, {
    description: 'Requests to the webhook that the instance which answers has rejected since it started.',
  })
  rejectedRequests!: number;
}

@ObjectType({ description: "Usage for Stripe's meters." })
export class UsageReportsOverview extends Read {
  @Field(() => Int, { description: `Stripe does not have them yet. ${COUNTED}` })
  pending!: number;

  @Field(() => BigIntScalar, { description: 'Units of usage in those.' })
  pendingQuantity!: number;

  @Field(() => Int, { description: `Stripe does not count them. Reports are kept for 400 days. ${COUNTED}` })
  failed!: number;

  @Field(() => Int, { nullable: true, description: 'Age of the oldest usage that is pending.' })
  oldestPendingAgeSeconds!: number | null;
}

@ObjectType({ description: "Deliveries to the operator's own systems." })
export class DeliveriesOverview extends Read {
  @Field(() => Int, { description: COUNTED })
  pending!: number;

  @Field(() => Int, { description: `Given up. Deliveries are kept for 30 days. ${COUNTED}` })
  failed!: number;

  @Field(() => Int)
  endpointsEnabled!: number;

  @Field(() => Int)
  endpointsPaused!: number;

  @Field(() => Int)
  endpointsDisabled!: number;
}

@ObjectType()
export class MongodbHealth {
  @Field(() => HealthState)
  state!: HealthState;

  @Field(() => Float, { nullable: true, description: 'How long it took to answer, in milliseconds.' })
  pingMs!: number | null;
}

@ObjectType({ description: "Stripe's API, as the instance that answers has seen it since it started." })
export class StripeHealthType {
  @Field(() => HealthState)
  state!: HealthState;

  @Field(() => StripeMode)
  mode!: StripeMode;

  @Field(() => DateTimeScalar, { nullable: true })
  lastSuccessAt!: Date | null;

  @Field(() => DateTimeScalar, { nullable: true })
  lastFailureAt!: Date | null;

  @Field(() => Int, { description: 'Requests that wait for a slot within Stripe’s rate limit.' })
  waitingRequests!: number;
}

@ObjectType()
export class RedisHealth {
  @Field(() => HealthState)
  state!: HealthState;
}

@ObjectType({ description: 'Periodic work, which one instance at a time does.' })
export class WorkerHealth {
  @Field()
  name!: string;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it last began or went on; null: never.' })
  lastRunAt!: Date | null;

  @Field(() => Int)
  everySeconds!: number;

  @Field({ description: 'Whether it should have run long ago.' })
  isLate!: boolean;
}

@ObjectType({ description: 'Whether everything works that the server needs.' })
export class HealthOverview extends Read {
  @Field(() => MongodbHealth)
  mongodb!: MongodbHealth;

  @Field(() => StripeHealthType)
  stripe!: StripeHealthType;

  @Field(() => RedisHealth)
  redis!: RedisHealth;

  @Field(() => [WorkerHealth])
  workers!: WorkerHealth[];

  @Field(() => [ServerInstance], { description: 'Oldest first, at most 1000.' })
  instances!: ServerInstance[];
}

@ObjectType({
  description:
    'Figures of the whole database. They are kept by the writes and checked once a day, so reading them costs the same however many tenants there are.',
})
export class Overview extends Read {
  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'When all tenants were last counted from the start. null: the first count is still running, and `revenue` and `tenants` are incomplete.',
  })
  countedAt!: Date | null;
}

@ObjectType({ description: 'The figures of a UTC day, as they were at its end, or are now.' })
export class OverviewDay {
  @Field({ description: '`YYYY-MM-DD`' })
  day!: string;

  @Field({ description: 'ISO 4217, lower case.' })
  currency!: string;

  @Field(() => BigIntScalar)
  monthlyRevenueCents!: number;

  @Field(() => [TierRevenue])
  revenueByTier!: TierRevenue[];

  @Field(() => Int)
  tenants!: number;

  @Field(() => [TierTenants])
  tenantsByTier!: TierTenants[];

  @Field(() => Int)
  payingTenants!: number;

  @Field(() => Int)
  newTenants!: number;

  @Field(() => Int)
  startedPaying!: number;

  @Field(() => Int)
  stoppedPaying!: number;

  @Field(() => BigIntScalar)
  calls!: number;

  @Field(() => BigIntScalar)
  rejections!: number;
}

@ArgsType()
export class OverviewHistoryArgs {
  @Field(() => Int, {
    nullable: true,
    defaultValue: 90,
    description: `The last so many UTC days, today among them: 1 to ${MAX_HISTORY_DAYS}.`,
  })
  @Min(1)
  @Max(MAX_HISTORY_DAYS)
  days?: number | null;
}

@ObjectType({ description: 'A version of a tier in the catalogue.' })
export class CatalogueVersion {
  @Field(() => TierName)
  tier!: string;

  @Field(() => Int)
  version!: number;

  @Field({ description: 'Whether new buyers get it.' })
  isCurrent!: boolean;

  @Field(() => Int, { nullable: true, description: 'null if it is priced by contract.' })
  monthlyPriceCents!: number | null;

  @Field(() => Int, { description: 'How many tenants have it now.' })
  tenants!: number;
}

@ObjectType({ description: 'What a limit rejected of a tenant within one minute. Kept for 30 days.' })
export class Rejection {
  @Field(() => ID)
  id!: string;

  @Field({ description: 'The code of the error that the client got.' })
  code!: string;

  @Field(() => RejectionKind)
  kind!: RejectionKind;

  @Field(() => String, {
    nullable: true,
    description: 'The field (`Type.field`), feature or resource, if the limit is about one.',
  })
  subject!: string | null;

  @Field(() => TierName, { nullable: true })
  tier!: string | null;

  @Field(() => Int)
  count!: number;

  @Field(() => DateTimeScalar)
  firstAt!: Date;

  @Field(() => DateTimeScalar)
  lastAt!: Date;
}

export const RejectionConnection = connectionOf('Rejection', () => Rejection);
