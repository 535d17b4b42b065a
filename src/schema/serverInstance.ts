import { Field, ID, ObjectType, registerEnumType } from 'type-graphql';
import { type ListedInstance, ServerInstanceKind } from '../services/tiers/serverInstances.js';
import { DateTimeScalar } from './scalars.js';

registerEnumType(ServerInstanceKind, {
  name: 'ServerInstanceKind',
  valuesConfig: {
    SERVER: { description: 'A billing server.' },
    DIRECT: { description: "A team's own server that decides on the database, with `directLimits`." },
  },
});

@ObjectType({ description: 'A running process that decides operations on this database.' })
export class ServerInstance implements ListedInstance {
  @Field(() => ID)
  id!: string;

  @Field(() => ServerInstanceKind)
  kind!: ServerInstanceKind;

  @Field({ description: 'The version of the package.' })
  version!: string;

  @Field(() => DateTimeScalar)
  startedAt!: Date;

  @Field(() => DateTimeScalar, { description: 'Its last heartbeat; there is one every second.' })
  seenAt!: Date;

  @Field({ description: 'The same for instances with the same catalogue.' })
  catalogueDigest!: string;

  @Field({ description: 'Whether its catalogue is that of the server that answers. It must be.' })
  sameCatalogue!: boolean;
}
