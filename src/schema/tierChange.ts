import { Field, InputType, Int, ObjectType } from 'type-graphql';
import { DateTimeScalar } from './scalars.js';
import { TierName } from './tier.js';

@InputType()
export class ChangeTierInput {
  @Field(() => TierName, {
    description: 'The free tier ends the subscription; the present one takes back what is scheduled.',
  })
  tier!: string;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description:
      'A smaller tier at once too, the rest of the period credited; else at the end of the period.',
  })
  immediately?: boolean | null;
}

@ObjectType({ description: 'When a change of tier takes effect, and what it costs.' })
export class TierChangePreview {
  @Field(() => TierName)
  tier!: string;

  @Field({ description: 'false: at the end of the period.' })
  immediately!: boolean;

  @Field(() => DateTimeScalar)
  effectiveAt!: Date;

  @Field({ description: 'ISO 4217, lower case.' })
  currency!: string;

  @Field(() => Int, {
    description: 'Charged at once: with it calls past the quota that no invoice has yet, at the old price.',
  })
  amountDueNowCents!: number;

  @Field(() => Int, {
    description:
      'For the rest of the period: owed for the new tier, less what the old one gives back. Below 0: a credit.',
  })
  prorationCents!: number;

  @Field(() => Int, { nullable: true, description: 'The next regular invoice; null: none comes.' })
  nextInvoiceCents!: number | null;

  @Field(() => DateTimeScalar, { nullable: true })
  nextInvoiceAt!: Date | null;
}
