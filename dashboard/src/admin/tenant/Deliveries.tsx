import { useQuery } from '@apollo/client/react';
import { Send } from 'lucide-react';
import { useState } from 'react';
import {
  Button,
  Card,
  type Column,
  ConfirmDialog,
  ConnectionTable,
  EmptyState,
  formatEnum,
  Status,
  Time,
  toast,
  useLast,
} from '../../design/index.js';
import type { TenantDeliveriesQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { useOperator } from '../session.js';
import { useChange, useTenantPage } from './tenantPage.js';

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

const RESEND = graphql(`
  mutation ResendTenantDelivery($id: ID!) {
    resendWebhookDelivery(id: $id) {
      id
      status
      tries
      nextTryAt
    }
  }
`);

type Delivery = TenantDeliveriesQuery['webhookDeliveries']['edges'][number]['node'];

/** Events about the tenant that this server sent to the team's own systems. */
export function Deliveries({ choice }: { choice: React.ReactNode }) {
  const { tenantId } = useTenantPage();
  const { can } = useOperator();
  const { data, error, refetch, fetchMore } = useQuery(DELIVERIES, { variables: { tenantId } });
  const [resending, setResending] = useState<Delivery | null>(null);
  const deliveries = data?.webhookDeliveries;
  const columns: Column<Delivery>[] = [
    { id: 'type', header: 'Event', value: ({ type }) => type, cell: ({ type }) => formatEnum(type) },
    {
      id: 'status',
      header: 'Status',
      value: ({ status }) => status,
      cell: ({ status }) => <Status value={status} />,
    },
    { id: 'at', header: 'Made', value: ({ at }) => at, cell: ({ at }) => <Time at={at} /> },
    {
      id: 'next',
      header: 'Next attempt',
      value: ({ nextTryAt }) => nextTryAt,
      cell: ({ nextTryAt }) => <Time at={nextTryAt} relative />,
    },
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
          aria-label={`Send ${formatEnum(delivery.type)} again`}
          onClick={() => setResending(delivery)}
        >
          Send again…
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
      <ResendDialog delivery={resending} onClose={() => setResending(null)} />
    </Card>
  );
}

function ResendDialog({ delivery, onClose }: { delivery: Delivery | null; onClose(): void }) {
  const resend = useChange(RESEND);
  const last = useLast(delivery);
  return (
    <ConfirmDialog
      open={delivery !== null}
      onClose={onClose}
      title="Send this event again?"
      confirm="Send again"
      onConfirm={async () => {
        if (!delivery) return;
        await resend({ id: delivery.id });
        toast({ title: 'The event is sent again', text: formatEnum(delivery.type) });
      }}
    >
      <p>
        {formatEnum(last?.type)} is sent with the same <code>webhook-id</code>, so that a system that has it
        already can ignore it.
      </p>
    </ConfirmDialog>
  );
}
