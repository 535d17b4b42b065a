import { useMutation, useQuery } from '@apollo/client/react';
import { Scale } from 'lucide-react';
import { useEffect, useState } from 'react';
import {
  Button,
  Callout,
  Card,
  Checkbox,
  type Column,
  ConfirmDialog,
  ConnectionTable,
  EmptyState,
  formatCount,
  formatDuration,
  formatNumber,
  PageHeader,
  ProgressBar,
  Stack,
  Status,
  Time,
  toast,
} from '../../design/index.js';
import { graphql } from '../../generated/index.js';
import { useOpened } from '../parts/opened.js';
import { RoleGate } from '../session.js';
import { comparedIn, PHASES, PROGRESS, RUNS, type Run, START } from './documents.js';
import { RunDialog } from './RunDialog.js';
import { startedText, statusOf } from './texts.js';

/** Somebody else, or the schedule, may begin one at any time. */
const LATEST = graphql(`
  query LatestReconcileRun {
    latest: reconcileRuns(first: 1) {
      edges {
        node {
          id
          status
        }
      }
    }
  }
`);

const LOOK_MS = 5_000;
const PROGRESS_MS = 1_000;

const COLUMNS: readonly Column<Run>[] = [
  {
    id: 'started',
    header: 'Started',
    csvHeader: 'Started (UTC)',
    value: ({ startedAt }) => startedAt,
    cell: ({ startedAt }) => <Time at={startedAt} />,
  },
  {
    id: 'status',
    header: 'State',
    value: ({ status }) => status,
    cell: (run) => <Status value={run.status} label={statusOf(run)} />,
  },
  { id: 'trigger', header: 'By', value: startedText },
  {
    id: 'duration',
    header: 'Took',
    csvHeader: 'Took (s)',
    numeric: true,
    value: (run) => (run.finishedAt ? durationOf(run) / 1000 : null),
    cell: (run) => (run.finishedAt ? formatDuration(durationOf(run)) : undefined),
  },
  { id: 'compared', header: 'Compared', numeric: true, value: comparedIn },
  { id: 'found', header: 'Out of sync', numeric: true, value: ({ outOfSync }) => outOfSync },
  { id: 'ended', header: 'Ended', numeric: true, value: ({ ended }) => ended },
  { id: 'unseen', header: 'Not shown', numeric: true, value: ({ unseen }) => unseen },
];

const durationOf = ({ startedAt, finishedAt }: Run): number =>
  Date.parse(finishedAt ?? startedAt) - Date.parse(startedAt);

export default function ReconcilePage() {
  const opened = useOpened('run');
  const [asking, setAsking] = useState(false);
  const [dryRun, setDryRun] = useState(false);
  const [start] = useMutation(START, { refetchQueries: [RUNS] });
  const { data, error, loading, refetch, fetchMore } = useQuery(RUNS, { variables: { first: 20 } });
  const latest = useQuery(LATEST, { pollInterval: LOOK_MS }).data?.latest.edges[0]?.node;
  const runs = data?.reconcileRuns;
  const newest = runs?.edges[0]?.node;
  // A run that this page has not listed yet.
  useEffect(() => {
    if (latest && newest && latest.id !== newest.id) void refetch();
  }, [latest, newest, refetch]);
  const running = runs?.edges.find(({ node }) => node.status === 'RUNNING')?.node;
  return (
    <>
      <PageHeader
        title="Reconcile"
        description="Compares all subscriptions, customers and the events of the last 30 days with Stripe, and repairs what is out of sync. It runs every six hours by itself."
        actions={
          <RoleGate role="SUPPORT">
            <Button
              variant="primary"
              icon={<Scale size={15} aria-hidden="true" />}
              onClick={() => {
                setDryRun(false);
                setAsking(true);
              }}
            >
              Start reconcile
            </Button>
          </RoleGate>
        }
      />
      <Stack>
        {running && <Running run={running} />}
        <Card title="Runs" description="Newest first. Kept for a year." flush>
          <ConnectionTable
            label="Reconcile runs"
            columns={COLUMNS}
            connection={runs}
            rowKey={({ id }) => id}
            rowLink={({ id }) => opened.linkTo(id)}
            refreshing={loading}
            error={error}
            onRetry={refetch}
            empty={
              <EmptyState title="No run yet">
                The first one begins six hours after the first start, or when you start one.
              </EmptyState>
            }
            csv
            noun="run"
            onMore={(after) => fetchMore({ variables: { after } })}
          />
        </Card>
      </Stack>
      <RunDialog id={opened.id} onClose={opened.close} />
      <ConfirmDialog
        open={asking}
        onClose={() => setAsking(false)}
        title="Start a reconcile?"
        confirm="Start"
        onConfirm={async () => {
          const { data: started } = await start({ variables: { input: { dryRun } } });
          const run = started?.startReconcile;
          toast(
            run && run.dryRun !== dryRun
              ? {
                  tone: 'info',
                  title: 'Another reconcile was running already',
                  text: 'This is its progress.',
                }
              : { title: 'The reconcile has started' },
          );
        }}
      >
        <p>
          Everything is compared with Stripe, which takes about a second for a hundred objects. What Stripe
          has is written here; nothing changes at Stripe. What Stripe does not show is kept, and the run stops
          before it would end more than 5 subscriptions and 1 % of them.
        </p>
        <Checkbox
          label="Only look"
          hint="Says what it would repair, and changes nothing."
          checked={dryRun}
          onChange={setDryRun}
        />
      </ConfirmDialog>
    </>
  );
}

/** The run that is under way. What is read here is the same run in the list. */
function Running({ run }: { run: Run }) {
  const { error } = useQuery(PROGRESS, { variables: { id: run.id }, pollInterval: PROGRESS_MS });
  return (
    <Card title={run.dryRun ? 'Looking now' : 'Running now'} description={`Started by ${startedText(run)}.`}>
      <Stack tight>
        <ProgressBar
          label={run.phase ? PHASES[run.phase] : 'Ending'}
          done={run.progress}
          note={
            <>
              {formatCount(comparedIn(run), 'object')} compared, {formatNumber(run.outOfSync)} out of sync.
              Started <Time at={run.startedAt} relative />.
            </>
          }
        />
        {error && (
          <Callout tone="warning" title="The progress cannot be read at the moment">
            The run goes on without this page.
          </Callout>
        )}
      </Stack>
    </Card>
  );
}
