import { GraphQLError, GraphQLScalarType } from 'graphql';
import { Field, ObjectType, registerEnumType } from 'type-graphql';
import type { Setting } from '../catalogue/catalogue.js';
import {
  EntitlementKind,
  EntitlementSource,
  type ListedEntitlement,
} from '../services/usage/entitlementList.js';
import { UsagePeriod } from '../services/usage/usage.js';
import { BigIntScalar, DateTimeScalar } from './scalars.js';

registerEnumType(EntitlementKind, {
  name: 'EntitlementKind',
  valuesConfig: {
    FEATURE: { description: 'A feature of the tier.' },
    LIMIT: { description: 'A limit of calls, or of one operation.' },
    STORED: { description: 'How much of a resource may be stored.' },
    SETTING: { description: 'A setting of the tier, which this server only returns.' },
  },
});
registerEnumType(EntitlementSource, {
  name: 'EntitlementSource',
  description: 'What an entitlement follows from.',
  valuesConfig: {
    TIER: { description: 'The tier as it is sold now.' },
    TIER_VERSION: { description: 'The earlier version of the tier that the tenant has.' },
    OVERRIDE: { description: 'The overrides of a contract.' },
  },
});

/** Only returned: no argument has this type. */
const SettingScalar = new GraphQLScalarType<Setting, Setting>({
  name: 'SettingValue',
  description: 'A number, a text or a boolean, such as 100, "email" or true.',
  serialize: (value) => value as Setting,
  parseValue() {
    throw new GraphQLError('SettingValue is never an argument');
  },
});

@ObjectType('Entitlement', { description: 'Something that a tenant may do or has.' })
export class EntitlementType implements ListedEntitlement {
  @Field({
    description: 'Of the feature, the limit, the resource (`bytes`: all that is stored) or the setting.',
  })
  name!: string;

  @Field({ description: 'For people.' })
  displayName!: string;

  @Field(() => EntitlementKind)
  kind!: EntitlementKind;

  @Field(() => BigIntScalar, { nullable: true, description: 'null: unlimited, or not a number.' })
  limit!: number | null;

  @Field(() => BigIntScalar, { nullable: true, description: 'null: it is not counted.' })
  used!: number | null;

  @Field(() => BigIntScalar, { nullable: true, description: 'null: unlimited, or not counted.' })
  remaining!: number | null;

  @Field(() => UsagePeriod, { nullable: true, description: 'The window of a limit of calls.' })
  window!: UsagePeriod | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When the window ends.' })
  resetsAt!: Date | null;

  @Field(() => SettingScalar, { nullable: true, description: 'Only of a setting.' })
  value!: Setting | null;

  @Field(() => EntitlementSource)
  source!: EntitlementSource;
}
