import { Field, Float, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import {
  RECONCILE_PHASES,
  type ReconcilePhase,
  ReconcileStatus,
  ReconcileTrigger,
} from '../services/billing/reconcile/reconcileRuns.js';
import { connectionOf } from './pagination.js';
import { DateTimeScalar } from './scalars.js';

registerEnumType(ReconcileTrigger, {
  name: 'ReconcileTrigger',
  description: 'What began a run.',
  valuesConfig: {
    SCHEDULE: { description: 'It was due: every six hours.' },
    OPERATOR: { description: 'The mutation `startReconcile`.' },
    SCRIPT: { description: '`continuum-billing stripe reconcile`' },
  },
});

registerEnumType(ReconcileStatus, {
  name: 'ReconcileStatus',
  valuesConfig: {
    STOPPED: {
      description: 'It stopped before it would have ended too many subscriptions; `stopReason` says more.',
    },
    INTERRUPTED: {
      description:
        'A server stopped, or a request to Stripe failed. The next run within a day continues where it was.',
    },
  },
});

/** The values of the enums are the names that the services use. */
const namesOf = (values: readonly string[]) =>
  Object.fromEntries(values.map((value) => [value.toUpperCase(), value]));
const ReconcilePhaseEnum = namesOf(RECONCILE_PHASES);
const ReconcileRepairKind = namesOf(['event', 'subscription', 'customer']);

registerEnumType(ReconcilePhaseEnum, {
  name: 'ReconcilePhase',
  description: 'In the order of a run. The first two only count, so that a wrong key changes nothing.',
  valuesConfig: {
    ENDINGS: { description: 'Counts subscriptions that have ended at Stripe.' },
    UNSEEN: { description: 'Counts stored subscriptions that Stripe does not list.' },
    SUBSCRIPTIONS: { description: 'Compares subscriptions.' },
    CUSTOMERS: { description: 'Compares customers.' },
    GONE: { description: 'Compares stored customers that Stripe does not list.' },
    EVENTS: { description: 'Looks for events of the last 30 days that were never received.' },
  },
});
registerEnumType(ReconcileRepairKind, { name: 'ReconcileRepairKind' });

@ObjectType({ description: 'The number of objects that a phase has compared.' })
export class ReconcileCount {
  @Field(() => ReconcilePhaseEnum)
  phase!: ReconcilePhase;

  @Field(() => Int)
  compared!: number;
}

@ObjectType({ description: 'Something that was out of sync.' })
export class ReconcileRepair {
  @Field(() => ReconcileRepairKind)
  kind!: string;

  @Field(() => ID, { description: "Stripe's id." })
  object!: string;

  @Field(() => ID, { nullable: true })
  tenantId!: string | null;

  @Field({ description: 'What differed, in English.' })
  found!: string;
}

@ObjectType({
  description:
    'A comparison of everything with Stripe: how far it is, and what it repaired. Kept for a year.',
})
export class ReconcileRun {
  @Field(() => ID)
  id!: string;

  @Field(() => ReconcileTrigger, { nullable: true, description: 'null: an earlier version began it.' })
  trigger!: ReconcileTrigger | null;

  @Field(() => String, {
    nullable: true,
    description: 'The operator that began it, as the audit log names it: `operator:<key id>`.',
  })
  startedBy!: string | null;

  @Field(() => ReconcileStatus)
  status!: ReconcileStatus;

  @Field({ description: 'Whether it only says what it would repair.' })
  dryRun!: boolean;

  @Field(() => DateTimeScalar)
  startedAt!: Date;

  @Field(() => DateTimeScalar, { nullable: true })
  finishedAt!: Date | null;

  @Field(() => ReconcilePhaseEnum, { nullable: true, description: 'null if it is finished.' })
  phase!: ReconcilePhase | null;

  @Field(() => Float, { description: 'The estimated part that is done, 0 to 1.' })
  progress!: number;

  @Field(() => [ReconcileCount], { description: 'One for each phase, in their order.' })
  compared!: ReconcileCount[];

  @Field(() => Int, { description: 'Objects that were out of sync. They were repaired, unless `dryRun`.' })
  outOfSync!: number;

  @Field(() => Int, { description: 'Subscriptions that it ended, or would have ended without `dryRun`.' })
  ended!: number;

  @Field(() => Int, { description: 'Subscriptions that Stripe does not show. They are left unchanged.' })
  unseen!: number;

  @Field(() => String, {
    nullable: true,
    description: 'Why it stopped early, or would have without `dryRun`.',
  })
  stopReason!: string | null;

  @Field(() => String, { nullable: true, description: 'The error that interrupted it.' })
  error!: string | null;
}

export const ReconcileRunConnection = connectionOf('ReconcileRun', () => ReconcileRun);

@InputType()
export class StartReconcileInput {
  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: 'Only say what would be repaired.',
  })
  dryRun?: boolean | null;
}
