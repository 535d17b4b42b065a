import type { Clock } from '../../../common/clock.js';
import { badInput } from '../../../common/errors.js';
import { groupBy } from '../../../common/groups.js';
import type { UsageEvent } from '../../../models/usageEventBatch.js';
import { isEndpointName } from '../../limits/ledger/endpointNames.js';
import { dayOf, usageDayId } from '../../limits/ledger/windows.js';
import type { EventJournal } from './eventJournal.js';
import type { EventRoom } from './eventRoom.js';

export enum UsageEventStatus {
  ACCEPTED = 'ACCEPTED',
  DUPLICATE = 'DUPLICATE',
  CONFLICT = 'CONFLICT',
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

/** An item that is not a usage event, and why. */
export interface UnreadableEvent {
  item: unknown;
  reason: string;
}

/** Records usage that happened in another service: no limit rejects it, and all limits count it. */
export interface UsageEvents {
  /**
   * @returns an outcome for each event, in order
   * @throws BAD_USER_INPUT for more than 1,000 events; SERVICE_UNAVAILABLE when the same call should be made again
   */
  record(
    tenantId: string,
    events: readonly (NewUsageEvent | UnreadableEvent)[],
  ): Promise<UsageEventOutcome[]>;
}

const MAX_EVENTS = 1_000;
const MAX_ID_LENGTH = 100;
const MAX_QUANTITY = 1_000_000_000;
const MINUTE_MS = 60_000;
const MAX_AGE_DAYS = 31;
const MAX_AHEAD_MINUTES = 5;

export function createUsageEvents(deps: {
  journal: EventJournal;
  room: EventRoom;
  clock: Clock;
  /** Called when a tenant has more usage. */
  recorded: (tenantId: string, events: readonly UsageEvent[]) => void;
}): UsageEvents {
  const { journal, room, clock, recorded } = deps;

  /** @returns the events for which their day has no room; events that are recorded already need none */
  async function withoutRoom(tenantId: string, events: readonly UsageEvent[], nowMs: number) {
    const excess = new Set<UsageEvent>();
    const dayOfEvent = ({ at }: UsageEvent) => usageDayId(tenantId, dayOf(at?.getTime() ?? nowMs));
    for (const [dayId, ofDay] of groupBy(events, dayOfEvent)) {
      const left = await room.left(dayId);
      for (const event of ofDay.slice(left)) excess.add(event);
      room.taken(dayId, Math.min(left, ofDay.length));
    }
    if (excess.size === 0) return excess;
    const known = await journal.find(
      tenantId,
      [...excess].map(({ id }) => id),
    );
    return new Set([...excess].filter(({ id }) => !known.has(id)));
  }

  return {
    async record(tenantId, given) {
      if (given.length > MAX_EVENTS) {
        throw badInput('events', `may have at most ${MAX_EVENTS} events a call, not ${given.length}`);
      }
      const nowMs = clock.now();
      const problems = given.map((event) => ('reason' in event ? event.reason : problemOf(event, nowMs)));
      const events = given.map(eventOf);
      const first = new Map<string, UsageEvent>();
      for (const [i, event] of events.entries()) {
        if (problems[i] === null && !first.has(event.id)) first.set(event.id, event);
      }
      const excess = await withoutRoom(tenantId, [...first.values()], nowMs);
      for (const { id } of excess) first.delete(id);
      for (const [i, event] of events.entries()) {
        if (problems[i] === null && !first.has(event.id)) problems[i] = noRoom(room.maxPerDay);
      }
      const before = first.size > 0 ? await journal.record(tenantId, [...first.values()]) : new Map();
      const fresh = [...first.values()].filter(({ id }) => !before.has(id));
      if (fresh.length > 0) recorded(tenantId, fresh);
      return events.map((event, i) => {
        const problem = problems[i] ?? null;
        if (problem !== null) return { id: event.id, status: UsageEventStatus.REJECTED, reason: problem };
        const earlier = before.get(event.id) ?? first.get(event.id);
        return earlier === event
          ? { id: event.id, status: UsageEventStatus.ACCEPTED, reason: null }
          : { id: event.id, ...comparisonWith(event, earlier) };
      });
    },
  };
}

const noRoom = (maxPerDay: number): string =>
  `at: the day has ${maxPerDay} events already; add up what happened and record it as one event by its quantity`;

/** The id of an invalid item, if it has one, says which one was rejected. */
function eventOf(given: NewUsageEvent | UnreadableEvent): UsageEvent {
  if (!('reason' in given)) {
    const { id, endpoint, quantity, at } = given;
    return { id, endpoint, quantity, at: at ?? null };
  }
  const { id } = Object(given.item) as { id?: unknown };
  const isId = typeof id === 'string' || typeof id === 'number';
  return { id: isId ? String(id).slice(0, MAX_ID_LENGTH) : '', endpoint: '', quantity: 0, at: null };
}

/** @returns what is wrong with the event, or null */
function problemOf({ id, endpoint, quantity, at }: NewUsageEvent, nowMs: number): string | null {
  if (!/^[\x21-\x7e]{1,100}$/.test(id)) return 'id: must have 1 to 100 printable ASCII characters, no spaces';
  if (!isEndpointName(endpoint)) return 'endpoint: must have 1 to 100 printable characters';
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > MAX_QUANTITY) {
    return `quantity: must be a whole number from 1 to ${MAX_QUANTITY}`;
  }
  if (!at) return null;
  const ageMs = nowMs - at.getTime();
  // This rejects NaN too.
  if (!(ageMs <= MAX_AGE_DAYS * 24 * 60 * MINUTE_MS)) return `at: is more than ${MAX_AGE_DAYS} days ago`;
  if (ageMs < -MAX_AHEAD_MINUTES * MINUTE_MS) return `at: is more than ${MAX_AHEAD_MINUTES} minutes ahead`;
  return null;
}

/** An event without a time matches one that has a time. */
function comparisonWith(
  event: UsageEvent,
  earlier: UsageEvent,
): Pick<UsageEventOutcome, 'status' | 'reason'> {
  const differing = [
    ...(event.endpoint === earlier.endpoint ? [] : ['endpoint']),
    ...(event.quantity === earlier.quantity ? [] : ['quantity']),
    ...(event.at && earlier.at && event.at.getTime() !== earlier.at.getTime() ? ['at'] : []),
  ];
  if (differing.length === 0) return { status: UsageEventStatus.DUPLICATE, reason: 'was recorded before' };
  return {
    status: UsageEventStatus.CONFLICT,
    reason: `another event with this id was recorded before (different: ${differing.join(', ')}); that one counts. Send this one with an id of its own`,
  };
}
