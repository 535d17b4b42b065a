import { IsOptional, Max, MaxLength, Min, ValidateNested } from 'class-validator';
import { Field, ID, InputType, Int } from 'type-graphql';
import { TierLimitsInput } from './tenant.js';
import { TierName } from './tier.js';
import { IsCount } from './validators.js';

const MAX_PRICE_CENTS = 99_999_999;
const MAX_TERM_MONTHS = 120;
const MAX_DAYS_UNTIL_DUE = 90;

@InputType({ description: 'What was agreed on with a tenant.' })
export class CreateEnterpriseSubscriptionInput {
  @Field(() => ID)
  @MaxLength(100)
  tenantId!: string;

  @Field(() => TierName, { nullable: true, description: 'One priced by contract; null: the first of them.' })
  tier?: string | null;

  @Field(() => Int)
  @IsCount(MAX_PRICE_CENTS)
  monthlyPriceCents!: number;

  @Field(() => TierLimitsInput, {
    nullable: true,
    description: "Instead of the tier's own, as long as the subscription gives its tier.",
  })
  @IsOptional()
  @ValidateNested()
  limits?: TierLimitsInput | null;

  @Field(() => Int, { description: `After so many months it ends: 1 to ${MAX_TERM_MONTHS}.` })
  @Min(1, { message: 'must be at least 1' })
  @Max(MAX_TERM_MONTHS, { message: `must be at most ${MAX_TERM_MONTHS}` })
  termMonths!: number;

  @Field(() => Int, {
    nullable: true,
    defaultValue: 30,
    description: `Days in which an invoice is to be paid, 1 to ${MAX_DAYS_UNTIL_DUE}; null: the card on file is charged.`,
  })
  @IsOptional()
  @Min(1, { message: 'must be at least 1' })
  @Max(MAX_DAYS_UNTIL_DUE, { message: `must be at most ${MAX_DAYS_UNTIL_DUE}` })
  daysUntilDue?: number | null;
}
