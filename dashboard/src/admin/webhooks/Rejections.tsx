import { useQuery } from '@apollo/client/react';
import { Card, type Column, DataTable, formatEnum } from '../../design/index.js';
import type { WebhookRefusalReason, WebhookRejectionsQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';

const REJECTIONS = graphql(`
  query WebhookRejections {
    webhookRefusals {
      reason
      count
    }
  }
`);

type Rejection = WebhookRejectionsQuery['webhookRefusals'][number];

/** What to do about each. */
const MEANINGS: Record<WebhookRefusalReason, string> = {
  SIGNATURE: 'The signature does not match: compare STRIPE_WEBHOOK_SECRET with the endpoint at Stripe.',
  TIMESTAMP: 'Signed more than 300 s before or after this server’s time: check its clock.',
  BODY: 'Not an event, or nested too deeply. Stripe does not send this.',
  SIZE: 'Larger than 1 MB. Stripe does not send this.',
  CONFLICT: 'Another event with the same id arrived before. Stripe does not send this.',
  LIVEMODE: 'From the other mode than the server’s key. Such events are stored and ignored.',
};

const COLUMNS: readonly Column<Rejection>[] = [
  { id: 'reason', header: 'Reason', value: ({ reason }) => formatEnum(reason) },
  { id: 'count', header: 'Requests', numeric: true, value: ({ count }) => Number(count) },
  { id: 'meaning', header: 'What it means', wrap: true, value: ({ reason }) => MEANINGS[reason] },
];

/** Requests to the webhook that were not accepted. */
export function Rejections() {
  const { data, error, refetch } = useQuery(REJECTIONS);
  const found = data?.webhookRefusals.filter(({ count }) => Number(count) > 0);
  const isNone = found?.length === 0;
  return (
    <Card
      title="Rejected requests"
      description="Requests to the webhook’s address that this instance has rejected since it started."
      flush={!isNone}
    >
      {isNone ? (
        'None.'
      ) : (
        <DataTable
          label="Rejected requests"
          columns={COLUMNS}
          rows={found}
          rowKey={({ reason }) => reason}
          error={error}
          onRetry={refetch}
        />
      )}
    </Card>
  );
}
