import { useMutation } from '@apollo/client/react';
import { type ReactNode, useState } from 'react';
import { ConfirmDialog, formatInstant, useLast } from '../../design/index.js';
import type { DeliveryOutcomeQuery, OutgoingEventType } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';
import { typeName } from './eventTypes.js';
import { useOutcome } from './useOutcome.js';

/** What changes with an attempt. */
graphql(`
  fragment ResentDelivery on WebhookDelivery {
    id
    type
    status
    tries
    responseStatus
    error
    deliveredAt
    nextTryAt
  }
`);

const RESEND = graphql(`
  mutation ResendWebhookDelivery($id: ID!) {
    resendWebhookDelivery(id: $id) {
      ...ResentDelivery
    }
  }
`);

const OUTCOME = graphql(`
  query DeliveryOutcome($id: ID!) {
    webhookDelivery(id: $id) {
      ...ResentDelivery
    }
  }
`);

type Sent = DeliveryOutcomeQuery['webhookDelivery'];

const hasFailed = (_begun: Sent, { error }: Sent): boolean => error !== null;

function describe(delivery: Sent | null) {
  if (!delivery)
    return {
      title: 'The delivery waits for its endpoint',
      text: 'It is sent once the endpoint is not paused and takes more.',
      tone: 'info' as const,
    };
  const { type, status, error, nextTryAt } = delivery;
  if (status === 'DELIVERED') return { title: 'The delivery has arrived', text: typeName(type) };
  const next = nextTryAt !== null && `Next attempt: ${formatInstant(nextTryAt)}`;
  const text = [error ?? typeName(type), next].filter(Boolean).join('. ');
  return { title: 'The delivery failed', text, tone: 'danger' as const };
}

interface Delivery {
  id: string;
  type: OutgoingEventType;
}

/** Sends deliveries to the operator's endpoints again, and follows what becomes of them. */
export function useResend(): {
  ask(delivery: Delivery): void;
  /** The ids of those that are being sent. */
  running: ReadonlySet<string>;
  dialog: ReactNode;
} {
  const [asked, setAsked] = useState<Delivery | null>(null);
  const last = useLast(asked);
  const [resend] = useMutation(RESEND);
  const { running, follow } = useOutcome(
    OUTCOME,
    ({ webhookDelivery }) => webhookDelivery,
    hasFailed,
    describe,
  );
  const dialog = (
    <ConfirmDialog
      open={asked !== null}
      onClose={() => setAsked(null)}
      title="Send this delivery again?"
      confirm="Send again"
      onConfirm={async () => {
        if (!asked) return;
        const { data } = await resend({ variables: { id: asked.id } });
        if (data?.resendWebhookDelivery) follow(data.resendWebhookDelivery);
      }}
    >
      <p>
        {last && typeName(last.type)} is sent with the same body and <code>webhook-id</code>, so that a
        receiver that has it already can ignore it. If it fails, it is retried for three days.
      </p>
    </ConfirmDialog>
  );
  return { ask: setAsked, running, dialog };
}
