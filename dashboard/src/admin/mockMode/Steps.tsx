import { ArrowRight, CreditCard, Send, UserCog } from 'lucide-react';
import { useState } from 'react';
import {
  Badge,
  Button,
  formatInstant,
  Link,
  Status,
  Time,
  Timeline,
  TimelineGroup,
  TimelineItem,
  type Tone,
} from '../../design/index.js';
import {
  type AuditEntry,
  type Delivery,
  type Step,
  type StepGroup,
  type StripeEvent,
  subscriptionChange,
  type WebhookEvent,
} from './steps.js';

/** Earlier steps are shown in portions. */
const PORTION = 12;
const MOVED_MS = 60_000;

/** What followed each action, from Stripe's events to what was sent on. */
export function Steps({ groups, showTenants }: { groups: readonly StepGroup[]; showTenants: boolean }) {
  const [shown, setShown] = useState(PORTION);
  return groups.map(({ action, steps }) => {
    const visible = action ? steps : steps.slice(0, shown);
    return (
      <TimelineGroup
        key={action?.id ?? 'earlier'}
        title={action?.title ?? 'Earlier, newest first'}
        note={action && formatInstant(action.atMs, { seconds: true })}
      >
        {steps.length === 0 ? (
          <p>Nothing has followed yet.</p>
        ) : (
          <Timeline label={action?.title ?? 'Earlier'}>
            {visible.map((step) => (
              <StepItem key={step.key} step={step} showTenants={showTenants} />
            ))}
          </Timeline>
        )}
        {visible.length < steps.length && (
          <Button size="small" variant="ghost" onClick={() => setShown(shown + PORTION)}>
            Show more
          </Button>
        )}
      </TimelineGroup>
    );
  });
}

function StepItem({ step, showTenants }: { step: Step; showTenants: boolean }) {
  switch (step.kind) {
    case 'event':
      return <EventStep event={step.event} webhook={step.webhook} showTenants={showTenants} />;
    case 'change':
      return <ChangeStep entry={step.entry} />;
    case 'delivery':
      return <DeliveryStep delivery={step.delivery} url={step.url} />;
  }
}

function EventStep({
  event,
  webhook,
  showTenants,
}: {
  event: StripeEvent;
  webhook: WebhookEvent | null;
  showTenants: boolean;
}) {
  const { delivery, tenant } = event;
  const reason = webhook?.reason ?? webhook?.lastError;
  return (
    <TimelineItem
      icon={CreditCard}
      tone={eventTone(event, webhook)}
      where="Stripe’s event"
      title={<code>{event.type}</code>}
      at={<EventTime event={event} receivedAt={webhook?.receivedAt} />}
      badges={
        <>
          {delivery?.state === 'failed' && <Status value="FAILED" label="Lost on the way" />}
          {delivery?.state === 'pending' && (
            <Status
              value="PENDING"
              label={
                delivery.attempts === 0
                  ? 'Being sent'
                  : `Try ${delivery.attempts}: ${delivery.lastError ?? 'under way'}`
              }
            />
          )}
          {webhook && <Status value={webhook.status} label={WEBHOOK_WORDS[webhook.status]} />}
          {!webhook && delivery?.state === 'delivered' && <Badge>Not needed</Badge>}
          {showTenants && tenant && <Link to={`/tenants/${tenant.id}`}>{tenant.name}</Link>}
        </>
      }
    >
      {reason ?? null}
    </TimelineItem>
  );
}

/** By Stripe's clock where that was moved. */
function EventTime({ event, receivedAt }: { event: StripeEvent; receivedAt: string | undefined }) {
  const { createdAt, writtenAt } = event;
  if (!createdAt || !writtenAt) return <Time at={receivedAt} relative />;
  const isMoved = Date.parse(createdAt) - Date.parse(writtenAt) > MOVED_MS;
  return isMoved ? formatInstant(createdAt) : <Time at={writtenAt} relative />;
}

const WEBHOOK_WORDS: Readonly<Record<string, string>> = {
  APPLIED: 'Applied',
  IGNORED: 'Without effect',
  PENDING: 'Being applied',
  FAILED: 'Could not be applied',
};

function eventTone({ delivery }: StripeEvent, webhook: WebhookEvent | null): Tone {
  if (delivery?.state === 'failed' || webhook?.status === 'FAILED') return 'danger';
  return webhook?.status === 'APPLIED' ? 'accent' : 'neutral';
}

function ChangeStep({ entry }: { entry: AuditEntry }) {
  const change = subscriptionChange(entry);
  const changed = change?.tier ?? change?.status;
  return (
    <TimelineItem
      icon={UserCog}
      tone={changed ? 'success' : 'neutral'}
      where="Tenant here"
      title={changed ? 'Subscription' : <code>{entry.action}</code>}
      at={<Time at={entry.at} relative />}
      badges={
        <>
          {change?.tier && <Change from={change.tier[0] ?? 'No subscription'} to={change.tier[1]} />}
          {change?.status && <Status value={change.status[1].toUpperCase()} />}
          <span>{authorOf(entry)}</span>
        </>
      }
    >
      {change && !changed ? changedFields(entry) : null}
    </TimelineItem>
  );
}

function authorOf({ actor }: AuditEntry): string {
  if (actor.startsWith('stripe:')) return 'because of Stripe’s event';
  return actor.startsWith('operator:') ? 'by an operator' : `by ${actor}`;
}

function Change({ from, to }: { from: string; to: string }) {
  return (
    <>
      <Badge>{from}</Badge>
      <ArrowRight size={13} aria-label="became" />
      <Badge tone="accent">{to}</Badge>
    </>
  );
}

const changedFields = ({ before, after }: AuditEntry): string =>
  [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].join(', ');

function DeliveryStep({ delivery, url }: { delivery: Delivery; url: string | null }) {
  const { status, tries, responseStatus, error } = delivery;
  return (
    <TimelineItem
      icon={Send}
      tone={status === 'DELIVERED' ? 'success' : status === 'FAILED' ? 'danger' : 'warning'}
      where="Your systems"
      title={<code>{delivery.type.toLowerCase().replace('_', '.')}</code>}
      at={<Time at={delivery.at} relative />}
      badges={
        <>
          <Status
            value={status}
            label={status === 'PENDING' && tries > 0 ? `Try ${tries} failed` : undefined}
          />
          {url && <span>to {hostOf(url)}</span>}
        </>
      }
    >
      {status === 'DELIVERED' ? null : (error ?? (responseStatus && `Status ${responseStatus}`))}
    </TimelineItem>
  );
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : url);
