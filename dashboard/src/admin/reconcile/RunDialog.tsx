import { useQuery } from '@apollo/client/react';
import {
  Button,
  Callout,
  type Column,
  DataTable,
  Dialog,
  EmptyState,
  ErrorState,
  formatEnum,
  formatNumber,
  Id,
  KeyValue,
  Skeleton,
  Stack,
  Status,
  Time,
  useLast,
} from '../../design/index.js';
import type { ReconcileRunQuery } from '../../generated/graphql.js';
import { TenantLink } from '../parts/TenantLink.js';
import { PHASES, RUN } from './documents.js';
import { startedText, statusOf } from './texts.js';

type Repair = ReconcileRunQuery['reconcileRun']['repairs'][number];

const REPAIRS: readonly Column<Repair>[] = [
  {
    id: 'object',
    header: 'At Stripe',
    value: ({ object }) => object,
    cell: ({ object }) => <code>{object}</code>,
  },
  { id: 'kind', header: 'Kind', value: ({ kind }) => formatEnum(kind) },
  {
    id: 'tenant',
    header: 'Tenant',
    value: ({ tenantId }) => tenantId,
    cell: ({ tenantId }) => <TenantLink id={tenantId} />,
  },
  { id: 'found', header: 'What differed', wrap: true, value: ({ found }) => found },
];

/** How far a run got, and what it repaired. @param id null: nothing is open */
export function RunDialog({ id, onClose }: { id: string | null; onClose(): void }) {
  const last = useLast(id);
  const { data, error, refetch } = useQuery(RUN, { variables: { id: last ?? '' }, skip: last === null });
  const run = data?.reconcileRun;
  return (
    <Dialog
      open={id !== null}
      onClose={onClose}
      title="Reconcile run"
      wide
      actions={<Button onClick={onClose}>Close</Button>}
    >
      {error && !run && <ErrorState error={error} onRetry={refetch} />}
      {!error && !run && <Skeleton lines={8} />}
      {run && (
        <Stack tight>
          {run.stopReason && (
            <Callout tone="danger" title={run.dryRun ? 'It would have stopped early' : 'It stopped early'}>
              {run.stopReason}.
            </Callout>
          )}
          {run.error && (
            <Callout tone="warning" title="It was interrupted">
              {run.error}. The next run within a day goes on where this one was.
            </Callout>
          )}
          <KeyValue
            items={[
              ['State', <Status key="state" value={run.status} label={statusOf(run)} />],
              ['Started by', startedText(run)],
              ['Started', <Time key="started" at={run.startedAt} />],
              run.finishedAt !== null && ['Finished', <Time key="finished" at={run.finishedAt} />],
              [
                'Compared',
                run.compared
                  .filter(({ compared }) => compared > 0)
                  .map(({ phase, compared }) => `${formatEnum(phase)}: ${formatNumber(compared)}`)
                  .join(', ') || 'Nothing',
              ],
              run.phase !== null && ['Now', PHASES[run.phase]],
              ['Out of sync', formatNumber(run.outOfSync)],
              [run.dryRun ? 'Would have ended' : 'Ended', `${formatNumber(run.ended)} subscriptions`],
              ['Not shown by Stripe', `${formatNumber(run.unseen)} subscriptions, which were kept`],
              ['Run', <Id key="run" value={run.id} />],
            ]}
          />
          <h3>{run.dryRun ? 'What it would repair' : 'What it repaired'}</h3>
          <DataTable
            label={`Repairs of ${run.id}`}
            columns={REPAIRS}
            rows={run.repairs}
            rowKey={({ kind, object, found }) => `${kind}:${object}:${found}`}
            empty={<EmptyState title="Nothing was out of sync" />}
            csv
            footer={
              run.outOfSync > run.repairs.length && (
                <span>
                  The first {formatNumber(run.repairs.length)} of {formatNumber(run.outOfSync)}
                </span>
              )
            }
          />
        </Stack>
      )}
    </Dialog>
  );
}
