import { Field, InputType, Int } from 'type-graphql';
import { IsCount, Matches, Max, Min } from './constraints.js';
import { TierLimitsInput } from './tenant.js';
import { TenantInput } from './tenantRef.js';
import { PriceInterval, TierName } from './tier.js';

const MAX_PRICE_CENTS = 99_999_999;
const MAX_SEATS = 100_000;
const MAX_TERM_MONTHS = 120;
const MAX_DAYS_UNTIL_DUE = 90;

@InputType({ description: 'The terms agreed with a tenant.' })
export class CreateEnterpriseSubscriptionInput extends TenantInput {
  @Field(() => TierName, {
    nullable: true,
    description: 'A tier that is priced by contract. Default: the first one in the catalogue.',
  })
  tier?: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'The price of a month. Either this or `unitAmount` is required.',
  })
  @IsCount(MAX_PRICE_CENTS)
  monthlyPriceCents?: number | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'The price of an interval, for one seat if there are `seats`, in the smallest unit of the currency.',
  })
  @IsCount(MAX_PRICE_CENTS)
  unitAmount?: number | null;

  @Field(() => PriceInterval, {
    nullable: true,
    description: 'Default: MONTH. With YEAR, `termMonths` are whole years.',
  })
  interval?: PriceInterval | null;

  @Field(() => String, {
    nullable: true,
    description: "ISO 4217. Default: the catalogue's. A tenant's first purchase fixes its currency.",
  })
  @Matches(/^[A-Za-z]{3}$/, 'must be an ISO 4217 code such as usd')
  currency?: string | null;

  @Field(() => Int, { nullable: true })
  @Min(1)
  @Max(MAX_SEATS)
  seats?: number | null;

  @Field(() => TierLimitsInput, {
    nullable: true,
    description: "Limits that replace the tier's own while the subscription grants the tier.",
  })
  limits?: TierLimitsInput | null;

  @Field(() => Int, { description: `Months until the contract ends, 1 to ${MAX_TERM_MONTHS}.` })
  @Min(1)
  @Max(MAX_TERM_MONTHS)
  termMonths!: number;

  @Field(() => Int, {
    nullable: true,
    defaultValue: 30,
    description: `Days until an invoice is due, 1 to ${MAX_DAYS_UNTIL_DUE}. With null, the card on file is charged.`,
  })
  @Min(1)
  @Max(MAX_DAYS_UNTIL_DUE)
  daysUntilDue?: number | null;
}
