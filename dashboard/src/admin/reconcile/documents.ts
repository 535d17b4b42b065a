import type { ReconcilePhase, ReconcileRunsQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';

export const PROGRESS_FIELDS = graphql(`
  fragment ReconcileProgressFields on ReconcileRun {
    id
    status
    finishedAt
    phase
    progress
    compared {
      phase
      compared
    }
    outOfSync
    ended
    unseen
    stopReason
    error
  }
`);

export const RUNS = graphql(`
  query ReconcileRuns($first: Int, $after: String) {
    reconcileRuns(first: $first, after: $after) {
      edges {
        node {
          trigger
          startedBy
          dryRun
          startedAt
          ...ReconcileProgressFields
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

export const RUN = graphql(`
  query ReconcileRun($id: ID!) {
    reconcileRun(id: $id) {
      trigger
      startedBy
      dryRun
      startedAt
      ...ReconcileProgressFields
      repairs(first: 1000) {
        kind
        object
        tenantId
        found
      }
    }
  }
`);

/** For progress: what a run is changes every second, and what it repaired is read when it is opened. */
export const PROGRESS = graphql(`
  query ReconcileProgress($id: ID!) {
    reconcileRun(id: $id) {
      ...ReconcileProgressFields
    }
  }
`);

export const START = graphql(`
  mutation StartReconcile($input: StartReconcileInput) {
    startReconcile(input: $input) {
      id
      status
      dryRun
      startedBy
      phase
      progress
    }
  }
`);

export type Run = ReconcileRunsQuery['reconcileRuns']['edges'][number]['node'];

export const PHASES: Record<ReconcilePhase, string> = {
  ENDINGS: 'Counting subscriptions that ended',
  UNSEEN: 'Counting subscriptions that Stripe does not list',
  SUBSCRIPTIONS: 'Comparing subscriptions',
  CUSTOMERS: 'Comparing customers',
  GONE: 'Looking for customers that are gone',
  EVENTS: 'Looking for events that never arrived',
};

export const comparedIn = ({ compared }: Pick<Run, 'compared'>): number =>
  compared.reduce((sum, one) => sum + one.compared, 0);
