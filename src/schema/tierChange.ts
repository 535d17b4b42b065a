import { ArgsType, Field, InputType, Int, ObjectType } from 'type-graphql';
import { DateTimeScalar } from './scalars.js';
import { PriceInterval, TierName } from './tier.js';

@InputType({ description: 'What is left out stays as it is, if the tier is sold so.' })
export class ChangeTierInput {
  @Field(() => TierName, {
    description: 'The free tier cancels the subscription. The current tier undoes a scheduled change.',
  })
  tier!: string;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description:
      'Whether to downgrade immediately, with a credit for the rest of the period, instead of at its end.',
  })
  immediately?: boolean | null;

  @Field(() => PriceInterval, { nullable: true })
  interval?: PriceInterval | null;

  @Field(() => Int, { nullable: true, description: 'Default: 1, if `interval` is given.' })
  intervalCount?: number | null;

  @Field(() => Int, { nullable: true, description: 'Only for a tier that is sold by the seat.' })
  seats?: number | null;
}

@ArgsType()
export class PreviewTierChangeArgs {
  @Field(() => TierName)
  tier!: string;

  @Field(() => Boolean, { defaultValue: false })
  immediately!: boolean;

  @Field(() => PriceInterval, { nullable: true })
  interval?: PriceInterval | null;

  @Field(() => Int, { nullable: true })
  intervalCount?: number | null;

  @Field(() => Int, { nullable: true })
  seats?: number | null;
}

@ObjectType({ description: 'When a change of tier, interval or seats takes effect, and what it costs.' })
export class TierChangePreview {
  @Field(() => TierName)
  tier!: string;

  @Field(() => Int, { description: 'Afterwards; 1 for a tier that is not sold by the seat.' })
  seats!: number;

  @Field({ description: 'false if the change takes effect at the end of the period.' })
  immediately!: boolean;

  @Field(() => DateTimeScalar)
  effectiveAt!: Date;

  @Field({ description: 'ISO 4217, lower case.' })
  currency!: string;

  @Field(() => Int, {
    description: 'Charged immediately. Includes overage that has not been invoiced yet, at the old price.',
  })
  amountDueNowCents!: number;

  @Field(() => Int, { description: 'The tax in `amountDueNowCents`.' })
  taxCents!: number;

  @Field(() => Int, {
    description:
      'For the rest of the period, or for the new period if the interval changes: the new price minus the credit for the old one. A negative amount is a credit. Tax that is added to prices is not in it.',
  })
  prorationCents!: number;

  @Field(() => Int, {
    nullable: true,
    description: 'The total of the next regular invoice, with its tax. null if there will be none.',
  })
  nextInvoiceCents!: number | null;

  @Field(() => DateTimeScalar, { nullable: true })
  nextInvoiceAt!: Date | null;
}
