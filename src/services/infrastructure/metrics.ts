/** Why the limits rejected an operation or calls. */
export const REJECTION_REASONS = [
  'minute',
  'day',
  'concurrent',
  'field',
  'feature',
  'storage',
  'extraction',
  'suspended',
  'other',
] as const;
export type RejectionReason = (typeof REJECTION_REASONS)[number];

/** What is written in batches: one statement for everything that waits. */
export const BATCH_QUEUES = ['calls', 'webhook_events', 'usage_events'] as const;
export type BatchQueue = (typeof BATCH_QUEUES)[number];

/**
 * What became of events from Stripe; `known` ones were stored before, `moved` ones belong to another queue, and what
 * `granted` ones give was written before they are applied.
 */
export const EVENT_OUTCOMES = [
  'stored',
  'known',
  'granted',
  'applied',
  'ignored',
  'moved',
  'retried',
] as const;
export type EventOutcome = (typeof EVENT_OUTCOMES)[number];

/** How a request to Stripe ended; `not_sent`: there was no slot for it within the rate limit. */
export const STRIPE_RESULTS = [
  'ok',
  'rejected',
  'rate_limited',
  'failed',
  'no_response',
  'not_sent',
] as const;
export type StripeResult = (typeof STRIPE_RESULTS)[number];

/** How a delivery of an outgoing webhook ended; after `failed` it is not tried again. */
export const DELIVERY_RESULTS = ['delivered', 'retried', 'failed'] as const;
export type DeliveryResult = (typeof DELIVERY_RESULTS)[number];

/** Why a connection for live updates ended, or was not accepted (`bounds`). */
export const LIVE_ENDS = [
  'client',
  'credential',
  'slow_reader',
  'lost_changes',
  'unavailable',
  'stopping',
  'protocol',
  'bounds',
  'stranger',
] as const;
export type LiveEnd = (typeof LIVE_ENDS)[number];

/**
 * Counts what happens. Every label has a bounded set of values: none is an id, a key, or a name that a caller chose.
 * Instants are those of `performance.now()`.
 */
export interface Metrics {
  /**
   * A GraphQL operation was answered.
   * @param result the code of its first error, else `OK`
   * @param tier null: it was rejected before the tier was known, or did not need it
   */
  operationAnswered(result: string, tier: string | null): void;
  /** The limits decided an operation, or calls of a service. `failed` means that there was no decision. */
  decided(startedAtMs: number, outcome: 'accepted' | 'failed' | RejectionReason, tier: string | null): void;
  batchCommitted(queue: BatchQueue, size: number, startedAtMs: number): void;
  eventsHandled(outcome: EventOutcome, count: number): void;
  /** @param endpoint method and path, without ids */
  stripeAnswered(endpoint: string, result: StripeResult, startedAtMs: number): void;
  deliveryEnded(result: DeliveryResult): void;
  /** @param route the path as it was declared; undefined: there is no such route */
  httpAnswered(route: string | undefined, status: number): void;
  /** A message of a stream was handed over for sending. */
  liveMessageSent(transport: 'websocket' | 'sse'): void;
  liveEnded(reason: LiveEnd): void;
}

const nothing = (): void => undefined;

/** For scripts, for a team's own server, and if metrics are off. */
export const noMetrics: Metrics = {
  operationAnswered: nothing,
  decided: nothing,
  batchCommitted: nothing,
  eventsHandled: nothing,
  stripeAnswered: nothing,
  deliveryEnded: nothing,
  httpAnswered: nothing,
  liveMessageSent: nothing,
  liveEnded: nothing,
};
