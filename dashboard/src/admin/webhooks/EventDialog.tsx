import { useMutation, useQuery } from '@apollo/client/react';
import { RotateCcw } from 'lucide-react';
import { useState } from 'react';
import {
  Button,
  Callout,
  ConfirmDialog,
  Dialog,
  ErrorState,
  formatNumber,
  Id,
  JsonView,
  KeyValue,
  Skeleton,
  Stack,
  Status,
  Time,
  toast,
  useLast,
} from '../../design/index.js';
import { graphql } from '../../generated/index.js';
import { TenantLink } from '../parts/TenantLink.js';
import { RoleGate } from '../session.js';

const EVENT = graphql(`
  query WebhookEvent($id: ID!) {
    webhookEvent(id: $id) {
      id
      type
      status
      tries
      lastError
      reason
      object
      customerId
      tenantId
      receivedAt
      appliedAt
      nextTryAt
      payload
    }
  }
`);

const REPLAY = graphql(`
  mutation ReplayWebhookEvent($id: ID!) {
    replayWebhookEvent(id: $id) {
      id
      status
      tries
      lastError
      reason
      appliedAt
      nextTryAt
    }
  }
`);

/** Everything of one event. @param id null: nothing is open */
export function EventDialog({ id, onClose }: { id: string | null; onClose(): void }) {
  const last = useLast(id);
  const { data, error, refetch } = useQuery(EVENT, { variables: { id: last ?? '' }, skip: last === null });
  const [replay] = useMutation(REPLAY);
  const [asking, setAsking] = useState(false);
  const event = data?.webhookEvent;
  return (
    <>
      <Dialog
        open={id !== null}
        onClose={onClose}
        title={event?.type ?? 'Event'}
        wide
        actions={
          <>
            <Button onClick={onClose}>Close</Button>
            {event && (
              <RoleGate role="SUPPORT">
                <Button icon={<RotateCcw size={15} aria-hidden="true" />} onClick={() => setAsking(true)}>
                  Replay
                </Button>
              </RoleGate>
            )}
          </>
        }
      >
        {error && !event && <ErrorState error={error} onRetry={refetch} />}
        {!error && !event && <Skeleton lines={8} />}
        {event && (
          <Stack tight>
            {event.lastError && (
              <Callout
                tone={event.status === 'FAILED' ? 'danger' : 'warning'}
                title="The last attempt failed"
              >
                {event.lastError}
              </Callout>
            )}
            <KeyValue
              items={[
                ['State', <Status key="state" value={event.status} />],
                event.reason !== null && ['Reason', event.reason],
                ['Received', <Time key="received" at={event.receivedAt} />],
                event.appliedAt !== null && ['Applied', <Time key="applied" at={event.appliedAt} />],
                event.nextTryAt !== null && [
                  'Next attempt',
                  <Time key="next" at={event.nextTryAt} relative />,
                ],
                ['Attempts', formatNumber(event.tries)],
                ['Tenant', <TenantLink key="tenant" id={event.tenantId} />],
                event.customerId !== null && ['Customer', <Id key="customer" value={event.customerId} />],
                event.object !== null && ['Object', <Id key="object" value={event.object} />],
                ['Event', <Id key="event" value={event.id} />],
              ]}
            />
            <h3>Payload</h3>
            {event.payload === null ? (
              <p>Its content was erased together with its tenant.</p>
            ) : (
              <JsonView label="Payload" value={event.payload} />
            )}
          </Stack>
        )}
      </Dialog>
      {event && (
        <ConfirmDialog
          open={asking}
          onClose={() => setAsking(false)}
          title="Replay this event?"
          confirm="Replay"
          onConfirm={async () => {
            await replay({ variables: { id: event.id } });
            toast({ title: 'The event is being applied again', text: event.type });
            setTimeout(() => void refetch(), APPLIED_MS);
          }}
        >
          <p>
            The server reads the present state of {event.object ?? 'the object'} from Stripe and writes it. If
            nothing is out of sync, nothing changes. The event’s own content is not applied, however old it
            is.
          </p>
        </ConfirmDialog>
      )}
    </>
  );
}

/** By then the worker has usually applied it. */
const APPLIED_MS = 1_500;
