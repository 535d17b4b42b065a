import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { IsHttpUrl } from './constraints.js';
import { connectionOf } from './pagination.js';
import { DateTimeScalar } from './scalars.js';

export enum InvoiceStatus {
  DRAFT = 'draft',
  OPEN = 'open',
  PAID = 'paid',
  UNCOLLECTIBLE = 'uncollectible',
  VOID = 'void',
}
registerEnumType(InvoiceStatus, { name: 'InvoiceStatus', description: "Stripe's statuses." });

@ObjectType({ description: 'A page at Stripe where a person manages a subscription.' })
export class PortalSession {
  @Field(() => ID)
  id!: string;

  @Field()
  url!: string;

  @Field(() => String, {
    nullable: true,
    description: "In mock mode, this server's page in place of Stripe's.",
  })
  localUrl!: string | null;
}

@InputType()
export class CreatePortalSessionInput {
  @Field({ description: 'Where the page links back to.' })
  @IsHttpUrl()
  returnUrl!: string;
}

@ObjectType('Invoice')
export class InvoiceType {
  @Field(() => ID, { description: "Stripe's id." })
  id!: string;

  @Field(() => String, { nullable: true, description: 'null while it is a draft.' })
  number!: string | null;

  @Field(() => InvoiceStatus)
  status!: string;

  @Field({ description: 'ISO 4217, lower case.' })
  currency!: string;

  @Field(() => Int, { description: 'A negative total is a credit.' })
  totalCents!: number;

  @Field(() => Int, { description: 'The tax in `totalCents`.' })
  taxCents!: number;

  @Field(() => Int, { description: "The total minus what the customer's balance covered." })
  amountDueCents!: number;

  @Field(() => Int)
  amountPaidCents!: number;

  @Field(() => Int)
  amountRemainingCents!: number;

  @Field(() => DateTimeScalar)
  createdAt!: Date;

  @Field(() => String, { nullable: true, description: 'The page where a person views and pays the invoice.' })
  hostedUrl!: string | null;

  @Field(() => String, { nullable: true })
  pdfUrl!: string | null;
}

export const InvoiceConnection = connectionOf('Invoice', () => InvoiceType);

@ObjectType('PaymentMethod')
export class PaymentMethodType {
  @Field(() => ID, { description: "Stripe's id." })
  id!: string;

  @Field({ description: "Stripe's name for the type: `card`, `sepa_debit`, …" })
  type!: string;

  @Field(() => String, { nullable: true, description: 'Cards only, like the fields below.' })
  brand!: string | null;

  @Field(() => String, { nullable: true })
  last4!: string | null;

  @Field(() => Int, { nullable: true })
  expMonth!: number | null;

  @Field(() => Int, { nullable: true })
  expYear!: number | null;

  @Field({ description: 'Whether it pays the next invoice.' })
  isDefault!: boolean;
}
