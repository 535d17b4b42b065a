import {
  Arg,
  Args,
  Ctx,
  Directive,
  FieldResolver,
  ID,
  Int,
  Mutation,
  Query,
  Resolver,
  Root,
} from 'type-graphql';
import { badInput } from '../common/errors.js';
import { Checked, RequiresRole } from '../directives/access.js';
import { connect, DEFAULT_PAGE, decodeCursor, PageArgs } from '../schema/pagination.js';
import {
  ReconcileRepair,
  ReconcileRun,
  ReconcileRunConnection,
  StartReconcileInput,
} from '../schema/reconcile.js';
import { OperatorRole } from '../services/accounts/principal.js';
import {
  DEFAULT_REPAIRS,
  MAX_REPAIRS,
  RECONCILE_PHASES,
  type ReadRun,
  runKeyOf,
} from '../services/billing/reconcile/reconcileRuns.js';
import type { Context } from './context.js';

@Resolver(() => ReconcileRun)
export class ReconcileResolver {
  @Query(() => ReconcileRunConnection, { description: 'Comparisons with Stripe, newest first.' })
  @RequiresRole(OperatorRole.READ)
  @Checked(({ after }) => decodeCursor(after))
  async reconcileRuns(@Args() { first, after }: PageArgs, @Ctx() { services }: Context) {
    const query = { first: first ?? DEFAULT_PAGE, after: decodeCursor(after) };
    const { runs, hasNextPage } = await services.reconcileRuns.page(query);
    return connect(runs, hasNextPage, after, runKeyOf, toReconcileRun);
  }

  @Query(() => ReconcileRun)
  @RequiresRole(OperatorRole.READ)
  async reconcileRun(@Arg('id', () => ID) id: string, @Ctx() { services }: Context): Promise<ReconcileRun> {
    return toReconcileRun(await services.reconcileRuns.get(id));
  }

  @FieldResolver(() => [ReconcileRepair], {
    description: `What was out of sync, the first found first. At most ${MAX_REPAIRS} are stored.`,
  })
  async repairs(
    @Root() { id }: ReconcileRun,
    @Arg('first', () => Int, {
      nullable: true,
      defaultValue: DEFAULT_REPAIRS,
      description: `Maximum number of items, 1 to ${MAX_REPAIRS}.`,
    })
    first: number | null,
    @Ctx() { services }: Context,
  ): Promise<ReconcileRepair[]> {
    const count = first ?? DEFAULT_REPAIRS;
    if (count < 1 || count > MAX_REPAIRS) throw badInput('first', `must be from 1 to ${MAX_REPAIRS}`);
    return services.reconcileRuns.repairs(id, count);
  }

  // Every six hours the same happens by itself, so it needs no more than SUPPORT. `force` is for the script alone.
  @Mutation(() => ReconcileRun, {
    description:
      'Compares everything with Stripe and repairs what is out of sync. Returns at once: `reconcileRun` says how far it is. While a run is under way, on whatever instance, nothing is started and that run is returned.',
  })
  @RequiresRole(OperatorRole.SUPPORT)
  @Directive('@rateLimited(cost: 0, max: 10, window: "1m")')
  async startReconcile(
    @Arg('input', () => StartReconcileInput, { nullable: true, defaultValue: {} })
    input: StartReconcileInput | null,
    @Ctx() context: Context,
  ): Promise<ReconcileRun> {
    const { reconcile, reconcileRuns } = context.services;
    const { _id } = await reconcile.begin(input?.dryRun ?? false, context.author());
    return toReconcileRun(await reconcileRuns.get(_id));
  }
}

const toReconcileRun = (run: ReadRun): ReconcileRun => ({
  id: run._id,
  trigger: run.trigger ?? null,
  startedBy: run.startedBy ?? null,
  status: run.status,
  dryRun: run.dryRun,
  startedAt: run.startedAt,
  finishedAt: run.finishedAt,
  phase: run.finishedAt ? null : run.phase,
  progress: run.progress,
  compared: RECONCILE_PHASES.map((phase) => ({ phase, compared: run.seen[phase] ?? 0 })),
  outOfSync: run.mendedCount,
  ended: run.endedCount,
  unseen: run.unseen,
  stopReason: run.stopReason,
  error: run.error ?? null,
});
