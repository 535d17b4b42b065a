import { useQuery } from '@apollo/client/react';
import { Download, ScrollText } from 'lucide-react';
import { useState } from 'react';
import { explain } from '../../api/errors.js';
import { downloadRoute } from '../../api/routes.js';
import {
  Button,
  Card,
  ConnectionTable,
  EmptyState,
  FilterBar,
  Row,
  Stack,
  toast,
  useFilters,
} from '../../design/index.js';
import { graphql } from '../../generated/index.js';
import { AUDIT_COLUMNS } from './auditEntries.js';
import { tenantFilter } from './opened.js';

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

const TENANT = { name: 'tenant', label: 'Tenant', placeholder: 'A tenant’s id, or none' } as const;
const FIELDS = [
  { name: 'action', label: 'Action', placeholder: 'Action, such as key.revoked' },
  { name: 'from', label: 'From (UTC)', isDay: true },
  { name: 'to', label: 'To (UTC)', isDay: true },
] as const;

/** The log of one tenant, or of what the filter names. Its filters are in the URL. */
export function AuditLog({ tenantId }: { tenantId?: string }) {
  const filters = useFilters('tenant', 'action', 'from', 'to');
  const { action, from, to } = filters.values;
  const tenant = tenantId ?? filters.values.tenant;
  const [begin, end] = [instantOf(from), instantOf(to, 1)];
  const chosen = {
    ...tenantFilter(tenant),
    ...(action && { action }),
    ...(begin && { from: begin }),
    // The last day is included.
    ...(end && { to: end }),
  };
  const { data, previousData, error, loading, refetch, fetchMore } = useQuery(AUDIT_LOG, {
    variables: { first: 50, ...chosen },
  });
  const log = (data ?? previousData)?.auditLog;
  return (
    <Stack>
      <FilterBar filters={filters} fields={tenantId ? FIELDS : [TENANT, ...FIELDS]} />
      <Card
        title={
          tenantId ? 'Audit log' : tenant ? `Changes of ${tenant}` : 'Changes of the operators’ own things'
        }
        description={
          tenantId
            ? 'Changes by the tenant, operators, Stripe and the server, newest first'
            : tenant
              ? 'Newest first.'
              : 'Keys of operators and services, endpoints, replays, reconciles. Name a tenant to see its changes.'
        }
        actions={<Downloads chosen={chosen} />}
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
            <EmptyState title={filters.active ? 'No entry matches' : 'No entries yet'} icon={ScrollText}>
              {begin && end && begin >= end
                ? 'The first day is after the last one.'
                : action && 'An action must be complete: subscription.changed.'}
            </EmptyState>
          }
          noun="entry"
          plural="entries"
          onMore={(after) => fetchMore({ variables: { after } })}
        />
      </Card>
    </Stack>
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
  return (
    <Row>
      {FORMATS.map((format) => (
        <Button
          key={format}
          icon={<Download size={15} aria-hidden="true" />}
          pending={pending === format}
          onClick={() => save(format)}
        >
          {`Download ${format.toUpperCase()}`}
        </Button>
      ))}
    </Row>
  );
}
