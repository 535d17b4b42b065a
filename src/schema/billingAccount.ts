import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { connectionOf } from './pagination.js';
import { DateTimeScalar } from './scalars.js';
import { IsHttpUrl } from './validators.js';

export enum InvoiceStatus {
  DRAFT = 'draft',
  OPEN = 'open',
  PAID = 'paid',
  UNCOLLECTIBLE = 'uncollectible',
  VOID = 'void',
}
registerEnumType(InvoiceStatus, { name: 'InvoiceStatus', description: "Stripe's statuses." });

@ObjectType({ description: 'A page at Stripe where a person looks after a subscription.' })
export class PortalSession {
  @Field(() => ID)
  id!: string;

  @Field()
  url!: string;

  @Field(() => String, { nullable: true, description: 'Mock mode: the page here that stands in for it.' })
  localUrl!: string | null;
}

@InputType()
export class CreatePortalSessionInput {
  @Field({ description: 'Where the page leads back to.' })
  @IsHttpUrl()
  returnUrl!: string;
}

@ObjectType('Invoice')
export class InvoiceType {
  @Field(() => ID, { description: "Stripe's." })
  id!: string;

  @Field(() => String, { nullable: true, description: 'null: a draft.' })
  number!: string | null;

  @Field(() => InvoiceStatus)
  status!: string;

  @Field({ description: 'ISO 4217, lower case.' })
  currency!: string;

  @Field(() => Int, { description: 'Below 0: a credit.' })
  totalCents!: number;

  @Field(() => Int, { description: "The total, less what the customer's balance paid." })
  amountDueCents!: number;

  @Field(() => Int)
  amountPaidCents!: number;

  @Field(() => Int)
  amountRemainingCents!: number;

  @Field(() => DateTimeScalar)
  createdAt!: Date;

  @Field(() => String, { nullable: true, description: 'Where a person sees and pays it.' })
  hostedUrl!: string | null;

  @Field(() => String, { nullable: true })
  pdfUrl!: string | null;
}

export const InvoiceConnection = connectionOf('Invoice', () => InvoiceType);

@ObjectType('PaymentMethod')
export class PaymentMethodType {
  @Field(() => ID, { description: "Stripe's." })
  id!: string;

  @Field({ description: "Stripe's word: `card`, `sepa_debit`, …" })
  type!: string;

  @Field(() => String, { nullable: true, description: 'Of a card, as the other fields below.' })
  brand!: string | null;

  @Field(() => String, { nullable: true })
  last4!: string | null;

  @Field(() => Int, { nullable: true })
  expMonth!: number | null;

  @Field(() => Int, { nullable: true })
  expYear!: number | null;

  @Field({ description: 'It pays the next invoice.' })
  isDefault!: boolean;
}
