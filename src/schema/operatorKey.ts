import { Field, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { OperatorRole } from '../services/accounts/principal.js';
import { StoredKey } from './apiKey.js';
import { IsName } from './constraints.js';
import { DateTimeScalar } from './scalars.js';

registerEnumType(OperatorRole, {
  name: 'OperatorRole',
  description: "What an operator's key may do.",
  valuesConfig: {
    OWNER: { description: 'Everything. ADMIN_API_KEY is an OWNER.' },
    SUPPORT: { description: 'Read everything, replay events of Stripe, and resend webhooks.' },
    PROVISION: {
      description: 'Create tenants, and keys and tokens of tenants. For the server that signs customers up.',
    },
    READ: { description: 'Read everything.' },
  },
});

@ObjectType('OperatorKey', { description: 'A key of the operator, without its secret.' })
export class OperatorKeyType extends StoredKey {
  @Field(() => OperatorRole)
  role!: OperatorRole;

  @Field(() => String, {
    nullable: true,
    description:
      'Who created it, as the audit log names them: `operator:<key id>`. null: the first start, or an earlier version.',
  })
  createdBy!: string | null;

  @Field({ description: 'Whether this request was made with it, or with a session of it.' })
  current!: boolean;
}

@ObjectType()
export class NewOperatorKey {
  @Field(() => OperatorKeyType)
  operatorKey!: OperatorKeyType;

  @Field({ description: 'The complete key. It is shown only once.' })
  secret!: string;
}

@InputType()
export class CreateOperatorKeyInput {
  @Field()
  @IsName(100)
  name!: string;

  @Field(() => OperatorRole)
  role!: OperatorRole;

  @Field(() => DateTimeScalar, { nullable: true })
  expiresAt?: Date | null;
}
