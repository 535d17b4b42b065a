import { Field, InputType, Int } from 'type-graphql';
import { IsCount, Max, Min } from './constraints.js';
import { TierLimitsInput } from './tenant.js';
import { TenantInput } from './tenantRef.js';
import { TierName } from './tier.js';

const MAX_PRICE_CENTS = 99_999_999;
const MAX_TERM_MONTHS = 120;
const MAX_DAYS_UNTIL_DUE = 90;

@InputType({ description: 'The terms agreed with a tenant.' })
export class CreateEnterpriseSubscriptionInput extends TenantInput {
  @Field(() => TierName, {
    nullable: true,
    description: 'A tier that is priced by contract. Default: the first one in the catalogue.',
  })
  tier?: string | null;

  @Field(() => Int)
  @IsCount(MAX_PRICE_CENTS)
  monthlyPriceCents!: number;

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
