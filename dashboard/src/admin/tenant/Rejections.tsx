import { useQuery } from '@apollo/client/react';
import { ShieldCheck } from 'lucide-react';
import { Card, type Column, ConnectionTable, EmptyState, Time, WithNote } from '../../design/index.js';
import type { RejectionKind, TenantRejectionsQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { useTenantPage } from './tenantPage.js';

const REJECTIONS = graphql(`
  query TenantRejections($tenantId: ID!, $after: String) {
    rejections(tenantId: $tenantId, first: 10, after: $after) {
      edges {
        node {
          id
          code
          kind
          subject
          tier
          count
          firstAt
          lastAt
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

type Rejection = TenantRejectionsQuery['rejections']['edges'][number]['node'];

const KINDS: Readonly<Record<RejectionKind, string>> = {
  MINUTE: 'Calls a minute',
  DAY: 'Calls a day',
  CONCURRENT: 'Concurrent requests',
  FIELD: 'The limit of a field',
  FEATURE: 'A feature that the tier lacks',
  STORAGE: 'Storage',
  EXTRACTION: 'Extraction batch',
  SUSPENDED: 'The suspension',
  OTHER: 'Something else',
};

const COLUMNS: readonly Column<Rejection>[] = [
  {
    id: 'kind',
    header: 'Rejected by',
    value: ({ kind }) => kind,
    cell: ({ kind, subject }) => <WithNote note={subject && <code>{subject}</code>}>{KINDS[kind]}</WithNote>,
  },
  { id: 'subject', header: 'Subject', value: ({ subject }) => subject, csvOnly: true },
  { id: 'code', header: 'Error code', value: ({ code }) => code, cell: ({ code }) => <code>{code}</code> },
  { id: 'tier', header: 'Tier then', value: ({ tier }) => tier },
  {
    id: 'count',
    header: 'Rejected operations',
    value: ({ count }) => count,
    numeric: true,
  },
  { id: 'first', header: 'First (UTC)', value: ({ firstAt }) => firstAt, csvOnly: true },
  { id: 'last', header: 'Last', value: ({ lastAt }) => lastAt, cell: ({ lastAt }) => <Time at={lastAt} /> },
];

/** What the limits rejected of the tenant. */
export function Rejections() {
  const { tenantId } = useTenantPage();
  const { data, error, refetch, fetchMore } = useQuery(REJECTIONS, { variables: { tenantId } });
  const rejections = data?.rejections;
  return (
    <Card
      flush
      title="Recent rejections"
      description="By the tenant’s limits, a row for each minute and reason, newest first; kept for 30 days"
    >
      <ConnectionTable
        label="Recent rejections"
        columns={COLUMNS}
        connection={rejections}
        rowKey={({ id }) => id}
        error={error}
        onRetry={refetch}
        empty={
          <EmptyState title="Nothing was rejected" icon={ShieldCheck}>
            Rejections appear here within seconds.
          </EmptyState>
        }
        csv
        noun="row"
        onMore={(after) => fetchMore({ variables: { after } })}
      />
    </Card>
  );
}
