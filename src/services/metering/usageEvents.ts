import type { Clock } from '../../clock.js';
import { badInput } from '../../errors.js';
import type { UsageEvent } from '../../models/usageEventBatch.js';
import { isEndpointName } from './endpointNames.js';
import type { EventJournal } from './eventJournal.js';

export enum UsageEventStatus {
  ACCEPTED = 'ACCEPTED',
  DUPLICATE = 'DUPLICATE',
  REJECTED = 'REJECTED',
}

export interface UsageEventOutcome {
  id: string;
  status: UsageEventStatus;
  /** null when it was accepted. */
  reason: string | null;
}

export interface NewUsageEvent {
  id: string;
  endpoint: string;
  quantity: number;
  at?: Date | null | undefined;
}

/** Records usage that has happened elsewhere: no limit refuses it, and all limits see it. */
export interface UsageEvents {
  /**
   * @returns an outcome for each event, in order
   * @throws BAD_USER_INPUT for more than 1,000 events; SERVICE_UNAVAILABLE when the same call should be made again
   */
  record(tenantId: string, events: readonly NewUsageEvent[]): Promise<UsageEventOutcome[]>;
}

const MAX_EVENTS = 1_000;
const MAX_QUANTITY = 1_000_000_000;
const MINUTE_MS = 60_000;
const MAX_AGE_DAYS = 31;
const MAX_AHEAD_MINUTES = 5;

export function createUsageEvents(deps: {
  journal: EventJournal;
  clock: Clock;
  /** Told that a tenant has more usage. */
  recorded: (tenantId: string) => void;
}): UsageEvents {
  const { journal, clock, recorded } = deps;
  return {
    async record(tenantId, given) {
      if (given.length > MAX_EVENTS) {
        throw badInput('events', `may have at most ${MAX_EVENTS} events a call, not ${given.length}`);
      }
      const nowMs = clock.now();
      const faults = given.map((event) => faultOf(event, nowMs));
      const first = new Map<string, UsageEvent>();
      const events = given.map(({ id, endpoint, quantity, at }) => ({
        id,
        endpoint,
        quantity,
        at: at ?? null,
      }));
      for (const [i, event] of events.entries()) {
        if (faults[i] === null && !first.has(event.id)) first.set(event.id, event);
      }
      const before = first.size > 0 ? await journal.record(tenantId, [...first.values()]) : new Map();
      if (before.size < first.size) recorded(tenantId);
      return events.map((event, i) => {
        const fault = faults[i] ?? null;
        if (fault !== null) return { id: event.id, status: UsageEventStatus.REJECTED, reason: fault };
        const earlier = before.get(event.id) ?? first.get(event.id);
        return earlier === event
          ? { id: event.id, status: UsageEventStatus.ACCEPTED, reason: null }
          : { id: event.id, status: UsageEventStatus.DUPLICATE, reason: whyDuplicate(event, earlier) };
      });
    },
  };
}

/** @returns what is wrong with the event, or null */
function faultOf({ id, endpoint, quantity, at }: NewUsageEvent, nowMs: number): string | null {
  if (!/^[\x21-\x7e]{1,100}$/.test(id)) return 'id: must have 1 to 100 printable ASCII characters, no spaces';
  if (!isEndpointName(endpoint)) return 'endpoint: must have 1 to 100 printable characters';
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > MAX_QUANTITY) {
    return `quantity: must be a whole number from 1 to ${MAX_QUANTITY}`;
  }
  if (!at) return null;
  const ageMs = nowMs - at.getTime();
  // Not NaN either.
  if (!(ageMs <= MAX_AGE_DAYS * 24 * 60 * MINUTE_MS)) return `at: is more than ${MAX_AGE_DAYS} days ago`;
  if (ageMs < -MAX_AHEAD_MINUTES * MINUTE_MS) return `at: is more than ${MAX_AHEAD_MINUTES} minutes ahead`;
  return null;
}

/** An event that does not say when it happened is no contradiction to one that did. */
function whyDuplicate(event: UsageEvent, earlier: UsageEvent): string {
  const differs = [
    ...(event.endpoint === earlier.endpoint ? [] : ['endpoint']),
    ...(event.quantity === earlier.quantity ? [] : ['quantity']),
    ...(event.at && earlier.at && event.at.getTime() !== earlier.at.getTime() ? ['at'] : []),
  ];
  if (differs.length === 0) return 'was recorded before';
  return `was recorded before with other content (${differs.join(', ')}); the first stays`;
}
