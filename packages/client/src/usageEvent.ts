import { badInput } from './errors.js';
import type { TenantArguments } from './operations.js';
import { randomId } from './randomId.js';

/** Usage that has happened. */
export interface UsageEvent extends TenantArguments {
  /** What the calls are counted under, 1 to 100 characters. */
  endpoint: string;
  /** Number of calls; default: 1. */
  quantity?: number;
  /** When it happened; default: now. */
  at?: string | Date;
  /** Idempotency id, 1 to 100 printable ASCII characters; default: a random one. An id counts once in 32 days. */
  id?: string;
}

/** An event as it is sent. */
export interface TakenEvent {
  id: string;
  endpoint: string;
  quantity: number;
  /** RFC 3339. */
  at: string;
}

/** An event that the server did not count, and will not. */
export interface RejectedEvent {
  event: TakenEvent & TenantArguments;
  /** CONFLICT: another event with this id was counted before. */
  status: 'REJECTED' | 'CONFLICT';
  reason: string;
}

const MAX_TEXT = 100;
const MAX_QUANTITY = 1_000_000_000;

/** @throws BAD_USER_INPUT for what would take more memory than an event may */
export function checkedEvent({ endpoint, quantity = 1, at, id = randomId() }: UsageEvent): TakenEvent {
  const isText = (value: unknown) =>
    typeof value === 'string' && value.length > 0 && value.length <= MAX_TEXT;
  if (!isText(endpoint)) throw badInput('endpoint', `must be a text of 1 to ${MAX_TEXT} characters`);
  if (!isText(id)) throw badInput('id', `must be a text of 1 to ${MAX_TEXT} characters`);
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > MAX_QUANTITY)
    throw badInput('quantity', `must be a whole number from 1 to ${MAX_QUANTITY}`);
  // The time of the call, because the event may be sent after the day has ended.
  const instant = at === undefined ? new Date() : new Date(at);
  if (Number.isNaN(instant.getTime())) throw badInput('at', 'must be a date');
  return { id, endpoint, quantity, at: instant.toISOString() };
}
