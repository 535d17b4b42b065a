import { Card, type Column, DataTable, formatDuration, formatNumber, NONE } from '../../design/index.js';
import type { Overview } from './documents.js';

/** Figures of waiting and failed work are counted up to this. */
const MAX_COUNTED = 10_000;

interface WorkRow {
  id: string;
  name: string;
  /** null: it could not be read. */
  pending: number | null;
  oldestMs: number | null;
  failed: number | null;
  to: string;
}

const counted = (value: number | null) =>
  value === null
    ? 'not known'
    : value >= MAX_COUNTED
      ? `${formatNumber(MAX_COUNTED)} or more`
      : formatNumber(value);

const COLUMNS: readonly Column<WorkRow>[] = [
  { id: 'name', header: 'What', value: ({ name }) => name },
  {
    id: 'pending',
    header: 'Waiting',
    value: ({ pending }) => pending,
    cell: ({ pending }) => counted(pending),
    numeric: true,
  },
  {
    id: 'oldest',
    header: 'Oldest',
    csvHeader: 'Oldest (ms)',
    value: ({ oldestMs }) => oldestMs,
    cell: ({ oldestMs }) => (oldestMs === null ? NONE : formatDuration(oldestMs)),
    numeric: true,
  },
  {
    id: 'failed',
    header: 'Failed',
    value: ({ failed }) => failed,
    cell: ({ failed }) => counted(failed),
    numeric: true,
  },
];

/** What goes between this server, Stripe and the team's own systems. */
export function Work({
  overview: { asOf, webhookEvents, usageReports, deliveries },
}: {
  overview: Overview;
}) {
  const rows: WorkRow[] = [
    {
      id: 'events',
      name: 'Webhooks from Stripe',
      pending: webhookEvents?.pending ?? null,
      oldestMs: webhookEvents?.oldestPendingAt
        ? Math.max(Date.parse(asOf) - Date.parse(webhookEvents.oldestPendingAt), 0)
        : null,
      failed: webhookEvents?.failed ?? null,
      to: '/webhooks',
    },
    {
      id: 'reports',
      name: 'Usage reports to Stripe',
      pending: usageReports?.pending ?? null,
      oldestMs:
        usageReports?.oldestPendingAgeSeconds == null ? null : usageReports.oldestPendingAgeSeconds * 1_000,
      failed: usageReports?.failed ?? null,
      to: '/usage-reports',
    },
    {
      id: 'deliveries',
      name: 'Deliveries to your systems',
      pending: deliveries?.pending ?? null,
      oldestMs: null,
      failed: deliveries?.failed ?? null,
      to: '/webhooks?tab=deliveries',
    },
  ];
  return (
    <Card
      title="Webhooks and reports"
      description="What waits to be sent or applied, and what was given up"
      flush
    >
      <DataTable
        label="Webhooks and reports"
        columns={COLUMNS}
        rows={rows}
        rowKey={({ id }) => id}
        rowLink={({ to }) => to}
        csv
      />
    </Card>
  );
}
