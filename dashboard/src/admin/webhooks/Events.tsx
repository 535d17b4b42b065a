import { useQuery } from '@apollo/client/react';
import {
  Card,
  type Column,
  ConnectionTable,
  EmptyState,
  FilterBar,
  formatEnum,
  Status,
  Time,
  useFilters,
} from '../../design/index.js';
import type { WebhookEventStatus, WebhookEventsQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { oneOf, optionsOf, tenantFilter, useOpened } from '../parts/opened.js';
import { TenantLink } from '../parts/TenantLink.js';
import { EventDialog } from './EventDialog.js';

const EVENTS = graphql(`
  query WebhookEvents(
    $first: Int
    $after: String
    $status: WebhookEventStatus
    $type: String
    $tenantId: ID
    $externalId: ID
  ) {
    webhookEvents(
      first: $first
      after: $after
      status: $status
      type: $type
      tenantId: $tenantId
      externalId: $externalId
    ) {
      edges {
        node {
          id
          type
          status
          tries
          lastError
          reason
          object
          tenantId
          receivedAt
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

type Event = WebhookEventsQuery['webhookEvents']['edges'][number]['node'];

const STATUSES: readonly WebhookEventStatus[] = ['PENDING', 'APPLIED', 'IGNORED', 'FAILED'];

const COLUMNS: readonly Column<Event>[] = [
  { id: 'type', header: 'Type', value: ({ type }) => type },
  {
    id: 'status',
    header: 'State',
    value: ({ status }) => status,
    cell: (event) => <Status value={event.status} />,
  },
  {
    id: 'received',
    header: 'Received',
    csvHeader: 'Received (UTC)',
    value: ({ receivedAt }) => receivedAt,
    cell: ({ receivedAt }) => <Time at={receivedAt} />,
  },
  {
    id: 'tenant',
    header: 'Tenant',
    value: ({ tenantId }) => tenantId,
    cell: ({ tenantId }) => <TenantLink id={tenantId} />,
  },
  { id: 'tries', header: 'Attempts', numeric: true, value: ({ tries }) => tries },
  {
    id: 'note',
    header: 'Error or reason',
    wrap: true,
    value: ({ lastError, reason }) => lastError ?? reason,
  },
];

export function Events() {
  const filters = useFilters('type', 'status', 'tenant');
  const opened = useOpened('event');
  const { type, status, tenant } = filters.values;
  const variables = {
    first: 50,
    ...(type && { type }),
    status: oneOf(status, STATUSES),
    ...tenantFilter(tenant),
  };
  const { data, previousData, error, loading, refetch, fetchMore } = useQuery(EVENTS, { variables });
  const events = (data ?? previousData)?.webhookEvents;
  return (
    <>
      <FilterBar
        filters={filters}
        fields={[
          {
            name: 'type',
            label: 'Type',
            placeholder: 'Type, such as invoice.payment_failed',
          },
          { name: 'status', label: 'State', all: 'All states', options: optionsOf(STATUSES, formatEnum) },
          { name: 'tenant', label: 'Tenant', placeholder: 'Id or your own id of a tenant' },
        ]}
      />
      <Card title="Events" description="Newest first. Kept for 90 days after they were applied." flush>
        <ConnectionTable
          label="Events from Stripe"
          columns={COLUMNS}
          connection={error ? undefined : events}
          rowKey={({ id }) => id}
          rowLink={({ id }) => opened.linkTo(id)}
          refreshing={loading}
          error={error}
          onRetry={refetch}
          empty={
            <EmptyState title={filters.active ? 'No event matches' : 'No events yet'}>
              {filters.active
                ? 'A type must be complete: customer.subscription.updated.'
                : 'Stripe’s events appear here as soon as they arrive.'}
            </EmptyState>
          }
          csv
          noun="event"
          onMore={(after) => fetchMore({ variables: { after } })}
        />
      </Card>
      <EventDialog id={opened.id} onClose={opened.close} />
    </>
  );
}
