import { useQuery } from '@apollo/client/react';
import { Send } from 'lucide-react';
import {
  Button,
  Card,
  type Column,
  ConnectionTable,
  EmptyState,
  Status,
  Time,
  WithNote,
} from '../../design/index.js';
import type { TenantDeliveriesQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { typeName } from '../parts/eventTypes.js';
import { useResend } from '../parts/useResend.js';
import { useOperator } from '../session.js';
import { useTenantPage } from './tenantPage.js';

const DELIVERIES = graphql(`
  query TenantDeliveries($tenantId: ID!, $after: String) {
    webhookDeliveries(tenantId: $tenantId, first: 20, after: $after) {
      edges {
        node {
          id
          type
          status
          at
          deliveredAt
          nextTryAt
          tries
          responseStatus
          error
          endpointId
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

type Delivery = TenantDeliveriesQuery['webhookDeliveries']['edges'][number]['node'];

/** Events about the tenant that this server sent to the team's own systems. */
export function Deliveries({ choice }: { choice: React.ReactNode }) {
  const { tenantId } = useTenantPage();
  const { can } = useOperator();
  const { data, error, refetch, fetchMore } = useQuery(DELIVERIES, { variables: { tenantId } });
  const resend = useResend();
  const deliveries = data?.webhookDeliveries;
  const columns: Column<Delivery>[] = [
    { id: 'type', header: 'Event', value: ({ type }) => typeName(type) },
    {
      id: 'status',
      header: 'Status',
      value: ({ status }) => status,
      cell: ({ status, nextTryAt }) => (
        <WithNote
          note={
            nextTryAt && (
              <>
                Next attempt <Time at={nextTryAt} relative />
              </>
            )
          }
        >
          <Status value={status} />
        </WithNote>
      ),
    },
    { id: 'at', header: 'Made', value: ({ at }) => at, cell: ({ at }) => <Time at={at} /> },
    { id: 'next', header: 'Next attempt', value: ({ nextTryAt }) => nextTryAt, csvOnly: true },
    { id: 'tries', header: 'Attempts', value: ({ tries }) => tries, numeric: true },
    {
      id: 'response',
      header: 'HTTP status',
      value: ({ responseStatus }) => (responseStatus === null ? null : String(responseStatus)),
      numeric: true,
    },
    { id: 'error', header: 'Error', value: (delivery) => delivery.error, wrap: true },
  ];
  if (can('SUPPORT')) {
    columns.push({
      id: 'resend',
      header: 'Actions',
      hideHeader: true,
      value: () => null,
      cell: (delivery) => (
        <Button
          size="small"
          variant="ghost"
          aria-label={`Send ${typeName(delivery.type)} again`}
          pending={resend.running.has(delivery.id)}
          onClick={() => resend.ask(delivery)}
        >
          {resend.running.has(delivery.id) ? 'Sending' : 'Send again…'}
        </Button>
      ),
    });
  }
  return (
    <Card
      flush
      title="Events to your systems"
      description="About this tenant, newest first; kept for 30 days"
      actions={choice}
    >
      <ConnectionTable
        label="Events to your systems"
        columns={columns}
        connection={deliveries}
        rowKey={({ id }) => id}
        rowLink={({ id }) => `/webhooks?tab=out&delivery=${encodeURIComponent(id)}`}
        error={error}
        onRetry={refetch}
        empty={
          <EmptyState title="Nothing was sent" icon={Send}>
            Events are sent to the endpoints on the page Webhooks, if there are any.
          </EmptyState>
        }
        csv
        noun="delivery"
        plural="deliveries"
        onMore={(after) => fetchMore({ variables: { after } })}
      />
      {resend.dialog}
    </Card>
  );
}
