import { Field, ObjectType } from 'type-graphql';
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
