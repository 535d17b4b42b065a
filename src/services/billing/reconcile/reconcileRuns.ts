import { badInput, notFound } from '../../../common/errors.js';
import type { Models } from '../../../models/models.js';
import {
  MAX_REPAIRS,
  RECONCILE_PHASES,
  type ReconcilePhase,
  type ReconcileRunDoc,
  ReconcileTrigger,
  type Repair,
} from '../../../models/reconcileRun.js';
import type { Lease } from '../../infrastructure/lease.js';

export { MAX_REPAIRS, RECONCILE_PHASES, type ReconcilePhase, ReconcileTrigger, type Repair };

export enum ReconcileStatus {
  RUNNING = 'RUNNING',
  FINISHED = 'FINISHED',
  /** It would have ended too many subscriptions. */
  STOPPED = 'STOPPED',
  /** A server stopped, or a request to Stripe failed. */
  INTERRUPTED = 'INTERRUPTED',
}

/** A run without its repairs, of which there may be many. */
export type ReadRun = Omit<ReconcileRunDoc, 'mended'> & {
  status: ReconcileStatus;
  /** The estimated part of all phases that is done, 0 to 1. */
  progress: number;
};

/** Reads the runs of all servers. */
export interface ReconcileRuns {
  /** Newest first. @param query.after the key of the last run seen */
  page(query: { first: number; after?: string | null | undefined }): Promise<{
    runs: ReadRun[];
    hasNextPage: boolean;
  }>;
  /** @throws NOT_FOUND */
  get(id: string): Promise<ReadRun>;
  /** The first objects that a run found out of sync. */
  repairs(id: string, first: number): Promise<Repair[]>;
}

export const DEFAULT_REPAIRS = 100;

/** A run's position in the list. */
export const runKeyOf = ({ startedAt, _id }: Pick<ReadRun, 'startedAt' | '_id'>): string =>
  `${startedAt.getTime()}:${_id}`;

const WITHOUT_REPAIRS = { mended: 0 } as const;

/** @param deps.lease the lease of whatever runs */
export function createReconcileRuns(deps: { models: Models; lease: Pick<Lease, 'isHeld'> }): ReconcileRuns {
  const { models, lease } = deps;
  const runs = models.reconcileRuns;

  /** The run that is under way. A run that a server left behind is not: its lease has expired, or another run has it. */
  async function runningId(): Promise<string | null> {
    if (!(await lease.isHeld())) return null;
    const newest = await runs
      .findOne({ finishedAt: null }, { _id: 1 })
      .sort({ startedAt: -1 })
      .lean<{ _id: string }>();
    return newest?._id ?? null;
  }

  /**
   * What is under way is looked up before the runs are read: one that ends meanwhile is read as finished. If nothing was
   * under way, an unfinished run may have begun since.
   */
  async function reading(find: () => Promise<ReconcileRunDoc[]>): Promise<ReadRun[]> {
    const before = await runningId();
    const found = await find();
    const isOpen = found.some(({ finishedAt }) => !finishedAt);
    const running = before ?? (isOpen ? await runningId() : null);
    return found.map((run) => read(run, running));
  }

  function read(run: ReconcileRunDoc, running: string | null): ReadRun {
    const { finishedAt, stopReason, phase, phaseDone = 0 } = run;
    const ended = stopReason === null || run.dryRun ? ReconcileStatus.FINISHED : ReconcileStatus.STOPPED;
    const open = run._id === running ? ReconcileStatus.RUNNING : ReconcileStatus.INTERRUPTED;
    const done = (RECONCILE_PHASES.indexOf(phase) + phaseDone) / RECONCILE_PHASES.length;
    return { ...run, status: finishedAt ? ended : open, progress: finishedAt ? 1 : done };
  }

  return {
    async page({ first, after }) {
      const found = await reading(() =>
        runs
          .find(before(after), WITHOUT_REPAIRS)
          .sort({ startedAt: -1, _id: -1 })
          .limit(first + 1)
          .lean<ReconcileRunDoc[]>(),
      );
      return { runs: found.slice(0, first), hasNextPage: found.length > first };
    },

    async get(id) {
      const [run] = await reading(() => runs.find({ _id: id }, WITHOUT_REPAIRS).lean<ReconcileRunDoc[]>());
      if (!run) throw notFound(`Reconcile run ${id}`);
      return run;
    },

    async repairs(id, first) {
      const run = await runs
        .findById(id, { mended: { $slice: first } })
        .lean<Pick<ReconcileRunDoc, 'mended'>>();
      return run?.mended ?? [];
    },
  };
}

/** @throws BAD_USER_INPUT */
function before(after: string | null | undefined) {
  if (!after) return {};
  const [, ms, id] = /^(\d{1,16}):(rec_[\w-]{1,60})$/.exec(after) ?? [];
  const startedAt = new Date(Number(ms));
  if (!ms || !id || Number.isNaN(startedAt.getTime()))
    throw badInput('after', 'is not a cursor of this list');
  const older = { $or: [{ startedAt: { $lt: startedAt } }, { startedAt, _id: { $lt: id } }] };
  // Bounds the index, which the alternatives alone do not.
  return { startedAt: { $lte: startedAt }, ...older };
}
