import { useQuery } from '@apollo/client/react';
import { ScrollText } from 'lucide-react';
import {
  Card,
  Changes,
  type Column,
  ConnectionTable,
  EmptyState,
  FilterBar,
  Time,
  useFilters,
  WithNote,
} from '../../design/index.js';
import type { TenantAuditLogQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { useTenantPage } from './tenantPage.js';
import { actor } from './words.js';

const AUDIT_LOG = graphql(`
  query TenantAuditLog($tenantId: ID!, $action: String, $after: String) {
    auditLog(tenantId: $tenantId, action: $action, first: 25, after: $after) {
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

type Entry = TenantAuditLogQuery['auditLog']['edges'][number]['node'];

const COLUMNS: readonly Column<Entry>[] = [
  {
    id: 'action',
    header: 'Action',
    value: ({ action }) => action,
    cell: ({ action }) => <code>{action}</code>,
  },
  { id: 'at', header: 'When', value: ({ at }) => at, cell: ({ at }) => <Time at={at} /> },
  {
    id: 'actor',
    header: 'By',
    value: (entry) => entry.actor,
    cell: (entry) => {
      const { who, id } = actor(entry.actor);
      return (
        <WithNote note={entry.requestId && `Request ${entry.requestId}`}>
          {who} {id && <code>{id}</code>}
        </WithNote>
      );
    },
    wrap: true,
  },
  {
    id: 'change',
    header: 'Before and after',
    value: ({ before, after }) => JSON.stringify({ before, after }),
    cell: ({ before, after }) => <Changes before={before ?? null} after={after ?? null} />,
    wrap: true,
  },
  { id: 'request', header: 'Request', value: ({ requestId }) => requestId, csvOnly: true },
];

/** Who changed what of the tenant, and when: the tenant itself, operators, Stripe, and the server. */
export function AuditLog() {
  const { tenantId } = useTenantPage();
  const filters = useFilters('action');
  const action = filters.values.action || null;
  const { data, error, refetch, fetchMore } = useQuery(AUDIT_LOG, { variables: { tenantId, action } });
  const log = data?.auditLog;
  return (
    <Card
      flush
      title="Audit log"
      description="Changes by the tenant, operators, Stripe and the server, newest first"
      actions={
        <FilterBar
          filters={filters}
          fields={[{ name: 'action', label: 'Action', placeholder: 'key.created' }]}
        />
      }
    >
      <ConnectionTable
        label="Audit log"
        columns={COLUMNS}
        connection={log}
        rowKey={({ id }) => id}
        error={error}
        onRetry={refetch}
        empty={
          <EmptyState title="No entries" icon={ScrollText}>
            {action
              ? `Nothing here is named ${action}. Actions are named whole.`
              : 'Nothing was changed yet.'}
          </EmptyState>
        }
        csv
        noun="entry"
        plural="entries"
        onMore={(after) => fetchMore({ variables: { after } })}
      />
    </Card>
  );
}
