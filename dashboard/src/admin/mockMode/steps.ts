import type { MockModeTenantQuery } from '../../generated/graphql.js';
import type { MockEvent } from './api.js';

/** Something that happened. `atMs` is when, by the server's clock; things of one moment are in this order. */
export type Step =
  | { kind: 'event'; key: string; atMs: number; event: StripeEvent; webhook: WebhookEvent | null }
  | { kind: 'change'; key: string; atMs: number; entry: AuditEntry }
  | { kind: 'delivery'; key: string; atMs: number; delivery: Delivery; url: string | null };

/** An event of Stripe's. The mock forgets it after 30 days of its clock; what was received is still known here. */
export type StripeEvent = Pick<MockEvent, 'type'> &
  Partial<Pick<MockEvent, 'createdAt' | 'writtenAt' | 'tenant' | 'delivery'>>;

export type AuditEntry = Node<MockModeTenantQuery['auditLog']>;
export type Delivery = Node<MockModeTenantQuery['webhookDeliveries']>;
export type WebhookEvent = Node<MockModeTenantQuery['webhookEvents']>;
type Node<Connection extends { edges: { node: unknown }[] }> = Connection['edges'][number]['node'];

/** An action of the person at this page. */
export interface Action {
  id: number;
  title: string;
  atMs: number;
}

export interface StepGroup {
  /** null: what happened before the page was opened, or without it. */
  action: Action | null;
  steps: Step[];
}

export function stepsOf(
  events: readonly MockEvent[],
  webhooks: readonly { node: WebhookEvent }[],
  rest: Pick<MockModeTenantQuery, 'auditLog' | 'webhookDeliveries' | 'webhookEndpoints'> | null,
): Step[] {
  const byId = new Map(webhooks.map(({ node }) => [node.id, node]));
  const atStripe = new Set(events.map(({ id }) => id));
  const urls = new Map(rest?.webhookEndpoints.map(({ id, url }) => [id, url]));
  return [
    ...events.map(
      (event): Step => ({
        kind: 'event',
        key: event.id,
        atMs: Date.parse(event.writtenAt),
        event,
        webhook: byId.get(event.id) ?? null,
      }),
    ),
    ...webhooks
      .filter(({ node }) => !atStripe.has(node.id))
      .map(
        ({ node }): Step => ({
          kind: 'event',
          key: node.id,
          atMs: Date.parse(node.receivedAt),
          event: { type: node.type },
          webhook: node,
        }),
      ),
    ...(rest?.auditLog.edges ?? []).map(
      ({ node: entry }): Step => ({ kind: 'change', key: entry.id, atMs: Date.parse(entry.at), entry }),
    ),
    ...(rest?.webhookDeliveries.edges ?? []).map(
      ({ node: delivery }): Step => ({
        kind: 'delivery',
        key: delivery.id,
        atMs: Date.parse(delivery.at),
        delivery,
        url: urls.get(delivery.endpointId) ?? null,
      }),
    ),
  ];
}

/**
 * Divides the steps among the actions that came before them: the newest action first, each with its steps in the order in
 * which they happened; what came before all actions is last, newest first.
 * @param actions oldest first
 */
export function groupSteps(steps: readonly Step[], actions: readonly Action[]): StepGroup[] {
  const groups = actions.map((action): StepGroup => ({ action, steps: [] }));
  const earlier: StepGroup = { action: null, steps: [] };
  for (const step of steps) {
    const group = groups.findLast(({ action }) => action !== null && action.atMs <= step.atMs);
    (group ?? earlier).steps.push(step);
  }
  for (const group of groups) group.steps.sort((one, other) => one.atMs - other.atMs);
  earlier.steps.sort((one, other) => other.atMs - one.atMs);
  const shown = groups.filter(
    ({ steps: followed }, index) => followed.length > 0 || index === groups.length - 1,
  );
  return [...shown.reverse(), ...(earlier.steps.length > 0 ? [earlier] : [])];
}

/** What an audit entry says of a subscription, from its state before and after. */
export function subscriptionChange({ action, before, after }: AuditEntry): {
  tier: [string | null, string] | null;
  status: [string | null, string] | null;
} | null {
  if (!action.startsWith('subscription.')) return null;
  const change = (name: string): [string | null, string] | null => {
    const now = after?.[name];
    const then = before?.[name];
    return typeof now === 'string' ? [typeof then === 'string' ? then : null, now] : null;
  };
  return { tier: change('tier'), status: change('status') };
}
