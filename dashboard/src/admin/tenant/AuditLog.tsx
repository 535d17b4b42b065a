import { useQuery } from '@apollo/client/react';
import { ScrollText } from 'lucide-react';
import { Card, ConnectionTable, EmptyState, FilterBar, useFilters } from '../../design/index.js';
import { graphql } from '../../generated/index.js';
import { AUDIT_COLUMNS } from '../parts/auditEntries.js';
import { useTenantPage } from './tenantPage.js';

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
        columns={AUDIT_COLUMNS}
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
