import { useQuery } from '@apollo/client/react';
import { Download } from 'lucide-react';
import { useState } from 'react';
import { explain } from '../../api/errors.js';
import { downloadRoute } from '../../api/routes.js';
import {
  Button,
  Card,
  ConnectionTable,
  EmptyState,
  FilterBar,
  PageHeader,
  Stack,
  toast,
  useFilters,
} from '../../design/index.js';
import { graphql } from '../../generated/index.js';
import { AUDIT_COLUMNS } from '../parts/auditEntries.js';
import { tenantFilter } from '../parts/opened.js';

const AUDIT_LOG = graphql(`
  query AuditLog(
    $first: Int
    $after: String
    $tenantId: ID
    $externalId: ID
    $action: String
    $from: DateTime
    $to: DateTime
  ) {
    auditLog(
      first: $first
      after: $after
      tenantId: $tenantId
      externalId: $externalId
      action: $action
      from: $from
      to: $to
    ) {
      edges {
        node {
          id
          at
          actor
          action
          before
          after
          requestId
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const DAY_MS = 86_400_000;

/** The beginning of a day in UTC. @param days later; nonsense filters nothing */
function instantOf(day: string, days = 0): string | undefined {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(ms) ? undefined : new Date(ms + days * DAY_MS).toISOString();
}

export default function AuditLogPage() {
  const filters = useFilters('tenant', 'action', 'from', 'to');
  const { tenant, action, from, to } = filters.values;
  const chosen = {
    ...tenantFilter(tenant),
    ...(action && { action }),
    ...(instantOf(from) && { from: instantOf(from) as string }),
    // The last day is included.
    ...(instantOf(to) && { to: instantOf(to, 1) as string }),
  };
  const { data, previousData, error, loading, refetch, fetchMore } = useQuery(AUDIT_LOG, {
    variables: { first: 50, ...chosen },
  });
  const log = (data ?? previousData)?.auditLog;
  return (
    <>
      <PageHeader
        title="Audit log"
        description="Every change of money, keys, limits, access and tenants, with who made it. Entries are linked by hashes and never change."
        actions={<Downloads chosen={chosen} />}
      />
      <Stack>
        <FilterBar
          filters={filters}
          fields={[
            { name: 'tenant', label: 'Tenant', placeholder: 'A tenant’s id, or none' },
            { name: 'action', label: 'Action', placeholder: 'Action, such as key.revoked' },
            { name: 'from', label: 'From (UTC)', isDay: true },
            { name: 'to', label: 'To (UTC)', isDay: true },
          ]}
        />
        <Card
          title={tenant ? `Changes of ${tenant}` : 'Changes of the operators’ own things'}
          description={
            tenant
              ? 'Newest first.'
              : 'Keys of operators and services, endpoints, replays, reconciles. Name a tenant to see its changes.'
          }
          flush
        >
          <ConnectionTable
            label="Audit log"
            columns={AUDIT_COLUMNS}
            connection={error ? undefined : log}
            rowKey={({ id }) => id}
            refreshing={loading}
            error={error}
            onRetry={refetch}
            empty={
              <EmptyState title={filters.active ? 'No entry matches' : 'No entries yet'}>
                {action ? 'An action must be complete: subscription.changed.' : null}
              </EmptyState>
            }
            noun="entry"
            plural="entries"
            onMore={(after) => fetchMore({ variables: { after } })}
          />
        </Card>
      </Stack>
    </>
  );
}

const FORMATS = ['csv', 'jsonl'] as const;

/** The whole log that the filters choose, not only the rows that are shown. */
function Downloads({ chosen }: { chosen: Readonly<Record<string, string>> }) {
  const [pending, setPending] = useState<string | null>(null);
  async function save(format: (typeof FORMATS)[number]): Promise<void> {
    setPending(format);
    try {
      await downloadRoute(
        `/v1/audit-log?${new URLSearchParams({ ...chosen, format })}`,
        `audit-log.${format}`,
      );
    } catch (cause) {
      const { title, message, advice } = explain(cause);
      toast({ tone: 'danger', title, text: `${message} ${advice}` });
    } finally {
      setPending(null);
    }
  }
  return FORMATS.map((format) => (
    <Button
      key={format}
      icon={<Download size={15} aria-hidden="true" />}
      pending={pending === format}
      onClick={() => save(format)}
    >
      {`Download ${format.toUpperCase()}`}
    </Button>
  ));
}
