import { useQuery } from '@apollo/client/react';
import {
  Callout,
  Card,
  type Column,
  ConnectionTable,
  EmptyState,
  FilterBar,
  formatEnum,
  formatNumber,
  PageHeader,
  Stack,
  Status,
  Time,
  useFilters,
} from '../../design/index.js';
import type { UsageReportStatus, UsageReportsQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { oneOf, optionsOf, tenantFilter } from '../parts/opened.js';
import { TenantLink } from '../parts/TenantLink.js';

const REPORTS = graphql(`
  query UsageReports(
    $first: Int
    $after: String
    $status: UsageReportStatus
    $tenantId: ID
    $externalId: ID
  ) {
    usageReports(
      first: $first
      after: $after
      status: $status
      tenantId: $tenantId
      externalId: $externalId
    ) {
      edges {
        node {
          id
          tenantId
          kind
          quantity
          status
          at
          reportedAt
          tries
          nextTryAt
          error
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

type Report = UsageReportsQuery['usageReports']['edges'][number]['node'];

const STATUSES: readonly UsageReportStatus[] = ['PENDING', 'REPORTED', 'CANCELING', 'CANCELED', 'FAILED'];

const COLUMNS: readonly Column<Report>[] = [
  { id: 'id', header: 'Report', value: ({ id }) => id, cell: ({ id }) => <code>{id}</code> },
  {
    id: 'status',
    header: 'State',
    value: ({ status }) => status,
    cell: ({ status }) => <Status value={status} />,
  },
  {
    id: 'tenant',
    header: 'Tenant',
    value: ({ tenantId }) => tenantId,
    cell: ({ tenantId }) => <TenantLink id={tenantId} />,
  },
  { id: 'kind', header: 'Kind', value: ({ kind }) => formatEnum(kind) },
  {
    id: 'quantity',
    header: 'Quantity (calls)',
    numeric: true,
    value: ({ quantity }) => Number(quantity),
    cell: ({ quantity }) => formatNumber(Number(quantity)),
  },
  {
    id: 'at',
    header: 'Counted at',
    csvHeader: 'Counted at (UTC)',
    value: ({ at }) => at,
    cell: ({ at }) => <Time at={at} />,
  },
  {
    id: 'reported',
    header: 'Reported',
    csvHeader: 'Reported (UTC)',
    value: ({ reportedAt }) => reportedAt,
    cell: ({ reportedAt }) => <Time at={reportedAt} />,
  },
  {
    id: 'next',
    header: 'Next attempt',
    csvHeader: 'Next attempt (UTC)',
    value: ({ nextTryAt }) => nextTryAt,
    cell: ({ nextTryAt }) => <Time at={nextTryAt} relative />,
  },
  { id: 'tries', header: 'Failed attempts', numeric: true, value: ({ tries }) => tries },
  { id: 'error', header: 'Error', wrap: true, value: ({ error }) => error },
];

export default function UsageReportsPage() {
  const filters = useFilters('status', 'tenant');
  const status = oneOf(filters.values.status, STATUSES);
  const variables = { first: 50, status, ...tenantFilter(filters.values.tenant) };
  const { data, previousData, error, loading, refetch, fetchMore } = useQuery(REPORTS, { variables });
  const reports = (data ?? previousData)?.usageReports;
  return (
    <>
      <PageHeader
        title="Usage reports"
        description="Usage that is reported to Stripe and appears on the next invoice: overage, once an hour, and what reportUsage adds."
      />
      <Stack>
        <FilterBar
          filters={filters}
          fields={[
            { name: 'status', label: 'State', all: 'All states', options: optionsOf(STATUSES, formatEnum) },
            { name: 'tenant', label: 'Tenant', placeholder: 'Id or your own id of a tenant' },
          ]}
        />
        {status === 'FAILED' && reports && reports.edges.length > 0 && (
          <Callout tone="warning" title="Stripe does not count these, and they are not sent again">
            Stripe rejected them for good, or they are older than the 35 days that it accepts. Overage of a
            day that is still open is reported again under another number by itself. Report what is missing
            with reportUsage and another idempotency key.
          </Callout>
        )}
        <Card flush>
          <ConnectionTable
            label="Usage reports"
            columns={COLUMNS}
            connection={error ? undefined : reports}
            rowKey={({ id, tenantId }) => `${tenantId}:${id}`}
            refreshing={loading}
            error={error}
            onRetry={refetch}
            empty={
              <EmptyState title={filters.active ? 'No report matches' : 'Nothing has been reported yet'}>
                {filters.active
                  ? null
                  : 'Reports are made when a tenant goes beyond its daily quota with overage, and by reportUsage.'}
              </EmptyState>
            }
            csv
            noun="report"
            onMore={(after) => fetchMore({ variables: { after } })}
          />
        </Card>
      </Stack>
    </>
  );
}
