import { useQuery } from '@apollo/client/react';
import { RotateCcw } from 'lucide-react';
import {
  Button,
  Callout,
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
  useLast,
} from '../../design/index.js';
import { graphql } from '../../generated/index.js';
import { TenantLink } from '../parts/TenantLink.js';
import { useReplay } from '../parts/useReplay.js';
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

/** Everything of one event. @param id null: nothing is open */
export function EventDialog({ id, onClose }: { id: string | null; onClose(): void }) {
  const last = useLast(id);
  const { data, error, refetch } = useQuery(EVENT, { variables: { id: last ?? '' }, skip: last === null });
  const replay = useReplay();
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
                <Button
                  icon={<RotateCcw size={15} aria-hidden="true" />}
                  pending={replay.running.has(event.id)}
                  onClick={() => replay.ask(event)}
                >
                  {replay.running.has(event.id) ? 'Replaying' : 'Replay'}
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
                  Date.parse(event.nextTryAt) > Date.now() ? (
                    <Time key="next" at={event.nextTryAt} relative />
                  ) : (
                    'As soon as its turn comes'
                  ),
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
      {replay.dialog}
    </>
  );
}
