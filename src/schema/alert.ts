import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { AlertKind } from '../services/usage/alerts/alerts.js';
import { connectionOf } from './pagination.js';
import { BigIntScalar, DateTimeScalar } from './scalars.js';

registerEnumType(AlertKind, {
  name: 'AlertKind',
  description: 'The limit that is used up to a level.',
  valuesConfig: {
    OVERAGE_PER_MONTH: { description: 'The calls that the monthly cap of overage pays for.' },
  },
});

@ObjectType('UsageAlert', {
  description:
    'A limit was used up to a level: told once a UTC day for calls, once a UTC month for the rest.',
})
export class UsageAlertType {
  @Field(() => ID)
  id!: string;

  @Field(() => AlertKind)
  kind!: AlertKind;

  @Field(() => Int, { description: 'Per cent of the limit: 80, 90 or 100.' })
  level!: number;

  @Field({ description: 'The UTC day `YYYY-MM-DD`, or the month `YYYY-MM`.' })
  window!: string;

  @Field(() => BigIntScalar, { description: 'When it was noticed.' })
  used!: number;

  @Field(() => BigIntScalar)
  limit!: number;

  @Field(() => DateTimeScalar)
  at!: Date;
}

export const UsageAlertConnection = connectionOf('UsageAlert', () => UsageAlertType);
