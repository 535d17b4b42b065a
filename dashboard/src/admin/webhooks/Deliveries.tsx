import { useQuery } from '@apollo/client/react';
import { Send } from 'lucide-react';
import {
  Button,
  Callout,
  Card,
  type Column,
  ConnectionTable,
  Dialog,
  EmptyState,
  ErrorState,
  FilterBar,
  formatEnum,
  formatNumber,
  Id,
  JsonView,
  KeyValue,
  NONE,
  Skeleton,
  Stack,
  Status,
  Time,
  useFilters,
  useLast,
} from '../../design/index.js';
import type { DeliveryStatus, WebhookDeliveriesQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { EVENT_TYPES, typeName } from '../parts/eventTypes.js';
import { oneOf, optionsOf, tenantFilter, useOpened } from '../parts/opened.js';
import { TenantLink } from '../parts/TenantLink.js';
import { useResend } from '../parts/useResend.js';
import { RoleGate } from '../session.js';
import { ENDPOINTS } from './Endpoints.js';

const DELIVERIES = graphql(`
  query WebhookDeliveries(
    $first: Int
    $after: String
    $status: DeliveryStatus
    $type: OutgoingEventType
    $endpointId: ID
    $tenantId: ID
    $externalId: ID
  ) {
    webhookDeliveries(
      first: $first
      after: $after
      status: $status
      type: $type
      endpointId: $endpointId
      tenantId: $tenantId
      externalId: $externalId
    ) {
      edges {
        node {
          id
          type
          status
          tenantId
          endpointId
          tries
          responseStatus
          error
          at
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const DELIVERY = graphql(`
  query WebhookDelivery($id: ID!) {
    webhookDelivery(id: $id) {
      id
      eventId
      type
      status
      tenantId
      endpointId
      tries
      responseStatus
      error
      at
      deliveredAt
      nextTryAt
      body
    }
  }
`);

type Delivery = WebhookDeliveriesQuery['webhookDeliveries']['edges'][number]['node'];

const STATUSES: readonly DeliveryStatus[] = ['PENDING', 'DELIVERED', 'FAILED'];

const COLUMNS: readonly Column<Delivery>[] = [
  { id: 'type', header: 'Type', value: ({ type }) => typeName(type) },
  {
    id: 'status',
    header: 'State',
    value: ({ status }) => status,
    cell: ({ status }) => <Status value={status} />,
  },
  {
    id: 'at',
    header: 'Made',
    csvHeader: 'Made (UTC)',
    value: ({ at }) => at,
    cell: ({ at }) => <Time at={at} />,
  },
  {
    id: 'tenant',
    header: 'Tenant',
    value: ({ tenantId }) => tenantId,
    cell: ({ tenantId }) => <TenantLink id={tenantId} />,
  },
  { id: 'tries', header: 'Attempts', numeric: true, value: ({ tries }) => tries },
  {
    id: 'response',
    header: 'Response',
    numeric: true,
    value: ({ responseStatus }) => responseStatus,
    cell: ({ responseStatus }) => (responseStatus === null ? NONE : String(responseStatus)),
  },
  { id: 'error', header: 'Error', wrap: true, value: ({ error }) => error },
];

/** What was sent to the endpoints, or is to be. */
export function Deliveries() {
  const filters = useFilters('deliveryType', 'deliveryStatus', 'endpoint', 'tenant');
  const opened = useOpened('delivery');
  const { deliveryType, deliveryStatus, endpoint, tenant } = filters.values;
  const variables = {
    first: 50,
    type: oneOf(deliveryType, EVENT_TYPES),
    status: oneOf(deliveryStatus, STATUSES),
    ...(endpoint && { endpointId: endpoint }),
    ...tenantFilter(tenant),
  };
  const endpoints = useQuery(ENDPOINTS, { fetchPolicy: 'cache-first' }).data?.webhookEndpoints ?? [];
  const { data, previousData, error, loading, refetch, fetchMore } = useQuery(DELIVERIES, { variables });
  const deliveries = (data ?? previousData)?.webhookDeliveries;
  return (
    <>
      <FilterBar
        filters={filters}
        fields={[
          {
            name: 'deliveryType',
            label: 'Type',
            all: 'All types',
            options: optionsOf(EVENT_TYPES, typeName),
          },
          {
            name: 'deliveryStatus',
            label: 'State',
            all: 'All states',
            options: optionsOf(STATUSES, formatEnum),
          },
          {
            name: 'endpoint',
            label: 'Endpoint',
            all: 'All endpoints',
            options: endpoints.map(({ id, url }) => ({ value: id, label: url })),
          },
          { name: 'tenant', label: 'Tenant', placeholder: 'Id or your own id of a tenant' },
        ]}
      />
      <Card title="Deliveries" description="Newest first. Kept for 30 days." flush>
        <ConnectionTable
          label="Deliveries"
          columns={COLUMNS}
          connection={error ? undefined : deliveries}
          rowKey={({ id }) => id}
          rowLink={({ id }) => opened.linkTo(id)}
          refreshing={loading}
          error={error}
          onRetry={refetch}
          empty={
            <EmptyState title={filters.active ? 'No delivery matches' : 'No deliveries yet'}>
              {filters.active ? null : 'They are made when something happens that an endpoint takes.'}
            </EmptyState>
          }
          csv
          noun="delivery"
          plural="deliveries"
          onMore={(after) => fetchMore({ variables: { after } })}
        />
      </Card>
      <DeliveryDialog
        id={opened.id}
        onClose={opened.close}
        urlOf={(id) => endpoints.find((one) => one.id === id)?.url ?? id}
      />
    </>
  );
}

function DeliveryDialog({
  id,
  onClose,
  urlOf,
}: {
  id: string | null;
  onClose(): void;
  urlOf(endpointId: string): string;
}) {
  const last = useLast(id);
  const { data, error, refetch } = useQuery(DELIVERY, { variables: { id: last ?? '' }, skip: last === null });
  const resend = useResend();
  const delivery = data?.webhookDelivery;
  return (
    <>
      <Dialog
        open={id !== null}
        onClose={onClose}
        title={delivery ? typeName(delivery.type) : 'Delivery'}
        wide
        actions={
          <>
            <Button onClick={onClose}>Close</Button>
            {delivery && (
              <RoleGate role="SUPPORT">
                <Button
                  icon={<Send size={15} aria-hidden="true" />}
                  pending={resend.running.has(delivery.id)}
                  onClick={() => resend.ask(delivery)}
                >
                  {resend.running.has(delivery.id) ? 'Sending' : 'Send again'}
                </Button>
              </RoleGate>
            )}
          </>
        }
      >
        {error && !delivery && <ErrorState error={error} onRetry={refetch} />}
        {!error && !delivery && <Skeleton lines={8} />}
        {delivery && (
          <Stack tight>
            {delivery.error && (
              <Callout
                tone={delivery.status === 'FAILED' ? 'danger' : 'warning'}
                title="The last attempt failed"
              >
                {delivery.error}
              </Callout>
            )}
            <KeyValue
              items={[
                ['State', <Status key="state" value={delivery.status} />],
                ['Endpoint', urlOf(delivery.endpointId)],
                ['Made', <Time key="made" at={delivery.at} />],
                delivery.deliveredAt !== null && [
                  'Delivered',
                  <Time key="delivered" at={delivery.deliveredAt} />,
                ],
                delivery.nextTryAt !== null && ['Next attempt', <Due key="next" at={delivery.nextTryAt} />],
                ['Attempts', formatNumber(delivery.tries)],
                delivery.responseStatus !== null && ['Response', `Status ${delivery.responseStatus}`],
                ['Tenant', <TenantLink key="tenant" id={delivery.tenantId} />],
                ['webhook-id', <Id key="event" value={delivery.eventId} />],
              ]}
            />
            <h3>Body</h3>
            <JsonView label="Body" value={delivery.body} />
          </Stack>
        )}
      </Dialog>
      {resend.dialog}
    </>
  );
}

/** A delivery that is due waits for its endpoint, for example while that is paused. */
function Due({ at }: { at: string }) {
  return Date.parse(at) > Date.now() ? <Time at={at} relative /> : 'As soon as the endpoint takes it';
}
