import { Card, EmptyState, Id, KeyValue, Link, LinkOut, Row, Status, Time } from '../../design/index.js';
import type { TenantOverviewQuery } from '../../generated/graphql.js';
import { useStripeAddress } from './stripe.js';

type Statement = NonNullable<TenantOverviewQuery['explainTier']['stripe']>;

/** What Stripe said last, as it is stored here. */
export function StripeNow({ statement }: { statement: Statement | null }) {
  if (!statement) {
    return (
      <Card title="At Stripe">
        <EmptyState title="It has never subscribed">
          Its tier follows from the default, or from an override. A checkout link is how a person buys a tier.
        </EmptyState>
      </Card>
    );
  }
  return (
    <Card title="At Stripe" description="What Stripe said last, as stored here">
      <StoredStatement statement={statement} />
    </Card>
  );
}

function StoredStatement({ statement }: { statement: Statement }) {
  const { status, tier, customerId, subscriptionId, changedAt } = statement;
  const { lastEventId, lastEventType, lastEventReceivedAt } = statement;
  return (
    <KeyValue
      items={[
        [
          'Subscription',
          <Row>
            <Status value={status} /> to {tier}
          </Row>,
        ],
        ['Customer', <StripeObject kind="customers" id={customerId} />],
        ['Subscription id', <StripeObject kind="subscriptions" id={subscriptionId} />],
        ['Stored since', <Time at={changedAt} />],
        [
          'Last event',
          lastEventId ? (
            <>
              <Link to={`/webhooks?event=${encodeURIComponent(lastEventId)}`}>{lastEventType}</Link>,{' '}
              <Time at={lastEventReceivedAt} relative />
            </>
          ) : (
            'none was kept'
          ),
        ],
      ]}
    />
  );
}

/** An id at Stripe, with the way to it where Stripe knows it. */
export function StripeObject({ kind, id }: { kind: 'customers' | 'subscriptions'; id: string }) {
  const href = useStripeAddress()(kind, id);
  return (
    <Row>
      <Id value={id} />
      {href && <LinkOut href={href}>Open at Stripe</LinkOut>}
    </Row>
  );
}
