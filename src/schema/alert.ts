import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { AlertKind } from '../services/usage/alerts/alerts.js';
import { connectionOf } from './pagination.js';
import { BigIntScalar, DateTimeScalar } from './scalars.js';

registerEnumType(AlertKind, {
  name: 'AlertKind',
  description: 'The limit that an alert is about.',
  valuesConfig: {
    OVERAGE_PER_MONTH: { description: 'The calls that the monthly overage cap pays for.' },
  },
});

@ObjectType('UsageAlert', {
  description:
    'Usage reached a level of a limit. Each level is reported once per UTC day for calls, and once per UTC month for everything else.',
})
export class UsageAlertType {
  @Field(() => ID)
  id!: string;

  @Field(() => AlertKind)
  kind!: AlertKind;

  @Field(() => Int, { description: 'Percentage of the limit: 80, 90 or 100.' })
  level!: number;

  @Field({ description: 'The UTC day `YYYY-MM-DD`, or the month `YYYY-MM`.' })
  window!: string;

  @Field(() => BigIntScalar, { description: 'Usage at the time of the alert.' })
  used!: number;

  @Field(() => BigIntScalar)
  limit!: number;

  @Field(() => DateTimeScalar)
  at!: Date;
}

export const UsageAlertConnection = connectionOf('UsageAlert', () => UsageAlertType);
