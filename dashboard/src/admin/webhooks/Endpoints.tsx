import { useMutation, useQuery } from '@apollo/client/react';
import { Ellipsis, Plus } from 'lucide-react';
import { useState } from 'react';
import {
  Button,
  Card,
  Checkbox,
  type Column,
  ConfirmDialog,
  DataTable,
  Dialog,
  EmptyState,
  FieldGroup,
  FormDialog,
  formatCount,
  IconButton,
  Menu,
  SecretOnce,
  Status,
  TextField,
  Time,
  toast,
  useLast,
} from '../../design/index.js';
import type { OutgoingEventType, WebhookEndpointsQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { EVENT_TYPES, typeName } from '../parts/eventTypes.js';
import { RoleGate, useOperator } from '../session.js';

export const ENDPOINTS = graphql(`
  query WebhookEndpoints {
    webhookEndpoints {
      id
      url
      events
      status
      statusReason
      failures
      failingSince
      waiting
      waitUntil
      createdAt
    }
  }
`);

const CREATE = graphql(`
  mutation CreateWebhookEndpoint($input: CreateWebhookEndpointInput!) {
    createWebhookEndpoint(input: $input) {
      endpoint {
        id
        url
      }
      secret
    }
  }
`);

const ENABLE = graphql(`
  mutation EnableWebhookEndpoint($id: ID!) {
    enableWebhookEndpoint(id: $id) {
      id
      status
      statusReason
      failures
      failingSince
      waiting
      waitUntil
    }
  }
`);

const DELETE = graphql(`
  mutation DeleteWebhookEndpoint($id: ID!) {
    deleteWebhookEndpoint(id: $id)
  }
`);

type Endpoint = WebhookEndpointsQuery['webhookEndpoints'][number];

/** What a person is asked about. */
type Asked = { action: 'enable' | 'delete'; endpoint: Endpoint } | null;

/** Where events are sent, and how each of the receivers does. */
export function Endpoints() {
  const { can } = useOperator();
  const { data, error, refetch } = useQuery(ENDPOINTS);
  const [enable] = useMutation(ENABLE);
  const [remove] = useMutation(DELETE, { refetchQueries: [ENDPOINTS] });
  const [asked, setAsked] = useState<Asked>(null);
  const endpoint = useLast(asked)?.endpoint;
  const [creating, setCreating] = useState(false);
  const columns: Column<Endpoint>[] = [
    { id: 'url', header: 'URL', wrap: true, value: ({ url }) => url },
    {
      id: 'status',
      header: 'State',
      value: ({ status }) => status,
      cell: ({ status }) => <Status value={status} />,
    },
    {
      id: 'health',
      header: 'Health',
      wrap: true,
      value: ({ statusReason, failures }) => statusReason ?? `${failures} failures`,
      cell: (endpoint) => <Health {...endpoint} />,
    },
    { id: 'waiting', header: 'Waiting', numeric: true, value: ({ waiting }) => waiting },
    {
      id: 'events',
      header: 'Events',
      value: ({ events }) => events.map(typeName).join(' '),
      cell: ({ events }) =>
        events.length === EVENT_TYPES.length ? (
          'All'
        ) : (
          <span title={events.map(typeName).join(', ')}>{formatCount(events.length, 'type')}</span>
        ),
    },
    {
      id: 'created',
      header: 'Created',
      csvHeader: 'Created (UTC)',
      value: ({ createdAt }) => createdAt,
      cell: ({ createdAt }) => <Time at={createdAt} />,
    },
    ...(can('OWNER')
      ? [
          {
            id: 'actions',
            header: 'Actions',
            hideHeader: true,
            value: () => null,
            cell: (endpoint: Endpoint) => (
              <Menu
                trigger={
                  <IconButton
                    size="small"
                    label={`Actions for ${endpoint.url}`}
                    icon={<Ellipsis size={16} aria-hidden="true" />}
                  />
                }
                items={[
                  endpoint.status !== 'ENABLED' && {
                    label: 'Enable',
                    onSelect: () => setAsked({ action: 'enable', endpoint }),
                  },
                  {
                    label: 'Delete',
                    danger: true,
                    onSelect: () => setAsked({ action: 'delete', endpoint }),
                  },
                ]}
              />
            ),
          },
        ]
      : []),
  ];
  return (
    <>
      <Card
        title="Endpoints"
        description="Receivers of events, each with a secret that signs what is sent to it."
        actions={
          <RoleGate role="OWNER">
            <Button icon={<Plus size={15} aria-hidden="true" />} onClick={() => setCreating(true)}>
              Add endpoint
            </Button>
          </RoleGate>
        }
        flush
      >
        <DataTable
          label="Endpoints"
          columns={columns}
          rows={data?.webhookEndpoints}
          rowKey={({ id }) => id}
          error={error}
          onRetry={refetch}
          empty={
            <EmptyState title="No endpoints">
              Add the URL of one of your systems to receive an event when a tier changes, a payment fails or a
              limit is near.
            </EmptyState>
          }
          csv
        />
      </Card>
      <CreateEndpoint open={creating} onClose={() => setCreating(false)} />
      <ConfirmDialog
        open={asked?.action === 'enable'}
        onClose={() => setAsked(null)}
        title="Enable this endpoint?"
        confirm="Enable"
        onConfirm={async () => {
          if (!asked) return;
          await enable({ variables: { id: asked.endpoint.id } });
          toast({ title: 'The endpoint is enabled', text: 'What waits for it is sent now.' });
        }}
      >
        <p>
          {endpoint?.status === 'PAUSED'
            ? `${formatCount(endpoint.waiting ?? 0, 'delivery', 'deliveries')} that wait for it are sent at once.`
            : 'It receives events from now on. Those that were dropped while it was disabled are not sent.'}
        </p>
        <p>{endpoint?.url}</p>
      </ConfirmDialog>
      <ConfirmDialog
        open={asked?.action === 'delete'}
        onClose={() => setAsked(null)}
        title="Delete this endpoint?"
        confirm="Delete"
        danger
        onConfirm={async () => {
          if (!asked) return;
          await remove({ variables: { id: asked.endpoint.id } });
          toast({ title: 'The endpoint is deleted' });
        }}
      >
        <p>
          {formatCount(endpoint?.waiting ?? 0, 'delivery', 'deliveries')} that wait for it will not be sent,
          and its secret is gone. This cannot be undone.
        </p>
        <p>{endpoint?.url}</p>
      </ConfirmDialog>
    </>
  );
}

function Health({ statusReason, failures, failingSince, waitUntil }: Endpoint) {
  if (statusReason)
    return (
      <>
        {statusReason}
        {waitUntil && (
          <>
            ; next attempt <Time at={waitUntil} relative />
          </>
        )}
      </>
    );
  if (failures === 0) return 'The last delivery succeeded, or there was none';
  return (
    <>
      {formatCount(failures, 'failure')} in a row since <Time at={failingSince} />
    </>
  );
}

interface Created {
  url: string;
  secret: string;
}

function CreateEndpoint({ open, onClose }: { open: boolean; onClose(): void }) {
  const [create] = useMutation(CREATE, { refetchQueries: [ENDPOINTS] });
  const [url, setUrl] = useState('');
  const [all, setAll] = useState(true);
  const [chosen, setChosen] = useState<readonly OutgoingEventType[]>([]);
  const [created, setCreated] = useState<Created | null>(null);
  return (
    <>
      <FormDialog
        open={open}
        onClose={onClose}
        title="Add endpoint"
        submit="Add"
        onSubmit={async () => {
          if (!all && chosen.length === 0) throw new Error('Choose at least one event');
          const { data } = await create({
            variables: { input: { url: url.trim(), ...(all ? {} : { events: [...chosen] }) } },
          });
          const made = data?.createWebhookEndpoint;
          if (made) setCreated({ url: made.endpoint.url, secret: made.secret });
          setUrl('');
          setAll(true);
          setChosen([]);
        }}
      >
        <TextField
          label="URL"
          type="url"
          required
          placeholder="https://ops.example.com/hooks"
          hint="It must answer with a status from 200 to 299 within 15 s."
          value={url}
          onChange={setUrl}
        />
        <Checkbox
          label="All events"
          hint="Also those that later versions add."
          checked={all}
          onChange={setAll}
        />
        {!all && (
          <FieldGroup label="Events" columns>
            {EVENT_TYPES.map((type) => (
              <Checkbox
                key={type}
                label={typeName(type)}
                checked={chosen.includes(type)}
                onChange={(checked) =>
                  setChosen(checked ? [...chosen, type] : chosen.filter((one) => one !== type))
                }
              />
            ))}
          </FieldGroup>
        )}
      </FormDialog>
      <Dialog
        open={created !== null}
        onClose={() => setCreated(null)}
        title="The endpoint is added"
        actions={
          <Button variant="primary" onClick={() => setCreated(null)}>
            Done
          </Button>
        }
      >
        {created && (
          <SecretOnce secret={created.secret} what="secret">
            {created.url} verifies with it that events are this server’s (Standard Webhooks).
          </SecretOnce>
        )}
      </Dialog>
    </>
  );
}
