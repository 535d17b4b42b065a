import { Field, ID, ObjectType, registerEnumType } from 'type-graphql';
import { TenantErasureStatus } from '../services/tenantData/erasures.js';
import { DateTimeScalar } from './scalars.js';

@ObjectType({ description: 'A link to the archive of a tenant.' })
export class TenantExport {
  @Field({
    description:
      'Downloads the archive, without a key: treat it as a secret. It may be used several times until it expires.',
  })
  url!: string;

  @Field(() => DateTimeScalar, { description: 'A download must have begun by then.' })
  expiresAt!: Date;
}

registerEnumType(TenantErasureStatus, {
  name: 'TenantErasureStatus',
  valuesConfig: {
    RUNNING: {
      description:
        'Its keys are gone. Everything is erased a second time when no operation can be running that began before, after about three minutes.',
    },
    RETRYING: {
      description: 'The last attempt failed; `error` says why, and `nextTryAt` when the next one is.',
    },
  },
});

@ObjectType({ description: 'How far the erasure of a tenant is.' })
export class TenantErasure {
  @Field(() => ID)
  tenantId!: string;

  @Field(() => TenantErasureStatus)
  status!: TenantErasureStatus;

  @Field(() => DateTimeScalar)
  startedAt!: Date;

  @Field(() => DateTimeScalar, { nullable: true })
  completedAt!: Date | null;

  @Field(() => String, { nullable: true, description: 'Why the last attempt failed.' })
  error!: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'null once it is complete.' })
  nextTryAt!: Date | null;
}
