import { useQuery } from '@apollo/client/react';
import { Bell, Webhook } from 'lucide-react';
import {
  Button,
  Card,
  type Column,
  ConnectionTable,
  EmptyState,
  formatPercent,
  Segments,
  Status,
  Time,
  useFilters,
} from '../../design/index.js';
import type { TenantAlertsQuery, TenantWebhookEventsQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { useReplay } from '../parts/useReplay.js';
import { useOperator } from '../session.js';
import { Deliveries } from './Deliveries.js';
import { useTenantPage } from './tenantPage.js';
import { ALERTS } from './words.js';

const WEBHOOK_EVENTS = graphql(`
  query TenantWebhookEvents($tenantId: ID!, $after: String) {
    webhookEvents(tenantId: $tenantId, first: 20, after: $after) {
      edges {
        node {
          id
          type
          status
          object
          receivedAt
          appliedAt
          tries
          reason
          lastError
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const ALERT_HISTORY = graphql(`
  query TenantAlerts($tenantId: ID!, $after: String) {
    alerts(tenantId: $tenantId, first: 20, after: $after) {
      edges {
        node {
          id
          kind
          level
          limit
          used
          at
          window
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const LISTS = [
  { value: 'stripe', label: 'From Stripe' },
  { value: 'sent', label: 'To your systems' },
  { value: 'alerts', label: 'Alerts' },
];

/** What happened to the tenant, as it was sent, received and noticed. */
export function Events() {
  const { values, set } = useFilters('list');
  const list = LISTS.some(({ value }) => value === values.list) ? values.list : 'stripe';
  const choice = (
    <Segments
      label="List"
      value={list}
      onChange={(value) => set('list', value === 'stripe' ? '' : value)}
      options={LISTS}
    />
  );
  if (list === 'alerts') return <AlertHistory choice={choice} />;
  if (list === 'sent') return <Deliveries choice={choice} />;
  return <FromStripe choice={choice} />;
}

type StripeEvent = TenantWebhookEventsQuery['webhookEvents']['edges'][number]['node'];

function FromStripe({ choice }: { choice: React.ReactNode }) {
  const { tenantId } = useTenantPage();
  const { can } = useOperator();
  const { data, error, refetch, fetchMore } = useQuery(WEBHOOK_EVENTS, { variables: { tenantId } });
  const replay = useReplay();
  const events = data?.webhookEvents;
  const columns: Column<StripeEvent>[] = [
    { id: 'type', header: 'Event', value: ({ type }) => type },
    {
      id: 'status',
      header: 'Status',
      value: ({ status }) => status,
      cell: ({ status }) => <Status value={status} />,
    },
    {
      id: 'received',
      header: 'Received',
      value: ({ receivedAt }) => receivedAt,
      cell: ({ receivedAt }) => <Time at={receivedAt} />,
    },
    { id: 'tries', header: 'Attempts', value: ({ tries }) => tries, numeric: true },
    {
      id: 'note',
      header: 'Note',
      value: ({ lastError, reason }) => lastError ?? reason,
      wrap: true,
    },
    { id: 'id', header: 'Id at Stripe', value: ({ id }) => id, csvOnly: true },
  ];
  if (can('SUPPORT')) {
    columns.push({
      id: 'replay',
      header: 'Actions',
      hideHeader: true,
      value: () => null,
      cell: (event) => (
        <Button
          size="small"
          variant="ghost"
          aria-label={`Replay ${event.type} ${event.id}`}
          pending={replay.running.has(event.id)}
          onClick={() => replay.ask(event)}
        >
          {replay.running.has(event.id) ? 'Replaying' : 'Replay…'}
        </Button>
      ),
    });
  }
  return (
    <Card
      flush
      title="Events from Stripe"
      description="About this tenant’s customer, newest first; kept for 90 days"
      actions={choice}
    >
      <ConnectionTable
        label="Events from Stripe"
        columns={columns}
        connection={events}
        rowKey={({ id }) => id}
        rowLink={({ id }) => `/webhooks?event=${encodeURIComponent(id)}`}
        error={error}
        onRetry={refetch}
        empty={
          <EmptyState title="No events" icon={Webhook}>
            Stripe sends them once the tenant has a customer there.
          </EmptyState>
        }
        csv
        noun="event"
        onMore={(after) => fetchMore({ variables: { after } })}
      />
      {replay.dialog}
    </Card>
  );
}

type Alert = TenantAlertsQuery['alerts']['edges'][number]['node'];

const ALERT_COLUMNS: readonly Column<Alert>[] = [
  { id: 'kind', header: 'Limit', value: ({ kind }) => ALERTS[kind].label },
  {
    id: 'level',
    header: 'Level',
    csvHeader: 'Level (%)',
    value: ({ level }) => level,
    cell: ({ level }) => (
      <Status
        value={level >= 100 ? 'OVER_LIMIT' : 'NEAR_LIMIT'}
        label={`${formatPercent(level / 100)} reached`}
      />
    ),
  },
  {
    id: 'used',
    header: 'Used',
    value: ({ used }) => used,
    cell: ({ kind, used }) => ALERTS[kind].format(used),
    numeric: true,
  },
  {
    id: 'of',
    header: 'Of',
    csvHeader: 'Limit',
    value: ({ limit }) => limit,
    cell: ({ kind, limit }) => ALERTS[kind].format(limit),
    numeric: true,
  },
  { id: 'window', header: 'Window (UTC)', value: ({ window }) => window },
  { id: 'at', header: 'Raised', value: ({ at }) => at, cell: ({ at }) => <Time at={at} /> },
];

function AlertHistory({ choice }: { choice: React.ReactNode }) {
  const { tenantId } = useTenantPage();
  const { data, error, refetch, fetchMore } = useQuery(ALERT_HISTORY, { variables: { tenantId } });
  const alerts = data?.alerts;
  return (
    <Card
      flush
      title="Alerts"
      description="Once a UTC day for calls, once a UTC month for everything else; kept for 400 days"
      actions={choice}
    >
      <ConnectionTable
        label="Alerts"
        columns={ALERT_COLUMNS}
        connection={alerts}
        rowKey={({ id }) => id}
        error={error}
        onRetry={refetch}
        empty={
          <EmptyState title="No alerts" icon={Bell}>
            One is raised at 80%, 90% and 100% of a limit.
          </EmptyState>
        }
        csv
        noun="alert"
        onMore={(after) => fetchMore({ variables: { after } })}
      />
    </Card>
  );
}
