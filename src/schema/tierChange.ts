import { Field, InputType, Int, ObjectType } from 'type-graphql';
import { DateTimeScalar } from './scalars.js';
import { TierName } from './tier.js';

@InputType()
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
}

@ObjectType({ description: 'When a change of tier takes effect, and what it costs.' })
export class TierChangePreview {
  @Field(() => TierName)
  tier!: string;

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

  @Field(() => Int, {
    description:
      'For the rest of the period: the price of the new tier minus the credit for the old one. A negative amount is a credit.',
  })
  prorationCents!: number;

  @Field(() => Int, {
    nullable: true,
    description: 'The total of the next regular invoice. null if there will be none.',
  })
  nextInvoiceCents!: number | null;

  @Field(() => DateTimeScalar, { nullable: true })
  nextInvoiceAt!: Date | null;
}
