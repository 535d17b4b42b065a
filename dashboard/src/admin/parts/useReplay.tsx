import { useMutation } from '@apollo/client/react';
import { type ReactNode, useState } from 'react';
import { ConfirmDialog, useLast } from '../../design/index.js';
import type { EventOutcomeQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { useOutcome } from './useOutcome.js';

/** What changes with an attempt. */
graphql(`
  fragment ReplayedEvent on WebhookEvent {
    id
    type
    status
    tries
    lastError
    reason
    appliedAt
    nextTryAt
  }
`);

const REPLAY = graphql(`
  mutation ReplayWebhookEvent($id: ID!) {
    replayWebhookEvent(id: $id) {
      ...ReplayedEvent
    }
  }
`);

const OUTCOME = graphql(`
  query EventOutcome($id: ID!) {
    webhookEvent(id: $id) {
      ...ReplayedEvent
    }
  }
`);

type Replayed = EventOutcomeQuery['webhookEvent'];

/** It is to be tried later than it was. An attempt that is under way changes nothing of it. */
const hasFailed = (begun: Replayed, now: Replayed): boolean =>
  Date.parse(now.nextTryAt ?? '') > Date.parse(begun.nextTryAt ?? '');

function describe(event: Replayed | null) {
  if (!event)
    return { title: 'The event waits', text: 'Others of its customer come first.', tone: 'info' as const };
  const { type, status, lastError, reason } = event;
  if (status === 'APPLIED') return { title: 'The event was applied', text: type };
  if (status === 'IGNORED')
    return { title: 'The event changes nothing', text: reason ?? type, tone: 'info' as const };
  return { title: 'The event was not applied', text: lastError ?? type, tone: 'danger' as const };
}

interface Event {
  id: string;
  type: string;
  object?: string | null;
}

/** Applies events of Stripe again, and follows what becomes of them. */
export function useReplay(): {
  ask(event: Event): void;
  /** The ids of those that are being applied. */
  running: ReadonlySet<string>;
  dialog: ReactNode;
} {
  const [asked, setAsked] = useState<Event | null>(null);
  const last = useLast(asked);
  const [replay] = useMutation(REPLAY);
  const { running, follow } = useOutcome(OUTCOME, ({ webhookEvent }) => webhookEvent, hasFailed, describe);
  const dialog = (
    <ConfirmDialog
      open={asked !== null}
      onClose={() => setAsked(null)}
      title="Replay this event?"
      confirm="Replay"
      onConfirm={async () => {
        if (!asked) return;
        const { data } = await replay({ variables: { id: asked.id } });
        if (data?.replayWebhookEvent) follow(data.replayWebhookEvent);
      }}
    >
      <p>
        The server reads the present state of {last?.object ?? 'the object'} from Stripe and writes it. If
        nothing is out of sync, nothing changes. The event’s own content is not applied, however old it is.
      </p>
    </ConfirmDialog>
  );
  return { ask: setAsked, running, dialog };
}
