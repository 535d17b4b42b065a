import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientSession } from 'mongoose';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { badInput, serviceUnavailable } from '../../common/errors.js';
import type { IdempotencyKeyDoc } from '../../models/idempotencyKey.js';
import type { Models } from '../../models/models.js';
import { isDuplicateKey } from '../infrastructure/databaseErrors.js';
import type { UsageDays } from '../limits/ledger/usageDays.js';
import { dayOf } from '../limits/ledger/windows.js';
import { createMarkCleanup } from './markCleanup.js';

/** A request that is executed once, however often it is sent. */
export interface KeyedRequest {
  tenantId: string;
  /** The root field. */
  field: string;
  key: string;
  /** The path of the argument with the key, for errors. */
  argument: string;
  /** The content of the request, without the key. */
  content: unknown;
}

export type Answer = Record<string, unknown>;

/** The right to execute a request, until it is answered or released. */
export interface RequestLease {
  kind: 'OPEN';
  id: string;
  tenantId: string;
  /** Also the mark that its charge carries. */
  attempt: string;
  startedAtMs: number;
  /** An earlier attempt that ended in a crash was charged, so this one is not. */
  isCharged: boolean;
  isAnswered: boolean;
}

export type AcquiredKey = RequestLease | { kind: 'ANSWERED'; id: string; answer: Answer };

export type KeyState =
  | AcquiredKey
  /** An earlier field of the same operation has the key. */
  | { kind: 'REPEATED'; id: string };

/**
 * Idempotency keys of requests that charge calls. A record is written before the charge; the charge carries the mark of
 * the attempt, so that after a crash the usage day says whether the attempt was charged.
 */
export interface IdempotencyKeys {
  /**
   * Leases the key, or returns the stored answer. Waits while another attempt is running.
   * @throws BAD_USER_INPUT when the key was used for something else; SERVICE_UNAVAILABLE when it takes too long
   */
  acquire(request: KeyedRequest): Promise<AcquiredKey>;
  /** The stored answer of a request; null if it has none. */
  answerOf(id: string): Promise<Answer | null>;
  /**
   * Stores the answer.
   * @param session the transaction that makes the change
   * @throws SERVICE_UNAVAILABLE if another attempt has taken over; the change must not be made then
   */
  complete(lease: RequestLease, answer: Answer, session?: ClientSession): Promise<void>;
  /** Call this once the write of `complete` is committed. */
  completed(lease: RequestLease): void;
  /**
   * Call this after a failure, before calls are returned.
   * @returns false if the charge pays for another attempt, or for one that succeeded although it seemed to fail
   */
  mayReturnCalls(lease: RequestLease): Promise<boolean>;
  /** Releases the key for a new first attempt. Call this once no calls are charged for this one. */
  release(lease: RequestLease): Promise<void>;
  start(): void;
  stop(): Promise<void>;
}

/** Longer than a charge and a write take while the database answers. */
const LEASE_MS = 5_000;
const LIFE_MS = 86_400_000;
const DAY_MS = 86_400_000;
const MAX_WAIT_MS = 10_000;
const FIRST_POLL_MS = 10;
const MAX_POLL_MS = 200;
/** How many requests of one tenant may wait for another attempt. */
const MAX_WAITING = 100;

export function createIdempotencyKeys(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  usageDays: UsageDays;
}): IdempotencyKeys {
  const { models, clock, usageDays } = deps;
  const keys = models.idempotencyKeys;
  const marks = createMarkCleanup(deps);
  const waiting = new Map<string, number>();

  function newLease(id: string, tenantId: string): RequestLease {
    const attempt = `a${randomBytes(9).toString('hex')}`;
    const startedAtMs = clock.now();
    return { kind: 'OPEN', id, tenantId, attempt, startedAtMs, isCharged: false, isAnswered: false };
  }

  const leaseFields = ({ attempt, startedAtMs }: RequestLease) => ({
    attempt,
    startedAt: new Date(startedAtMs),
    leaseUntil: new Date(startedAtMs + LEASE_MS),
    expiresAt: new Date(startedAtMs + LIFE_MS),
  });

  async function insert(lease: RequestLease, hash: string): Promise<boolean> {
    const doc: IdempotencyKeyDoc = {
      _id: lease.id,
      hash,
      ...leaseFields(lease),
      chargedBy: null,
      answer: null,
    };
    try {
      await keys.collection.insertOne(doc as never);
      return true;
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
  }

  /** Whether an attempt was charged, on either of the days on which that was possible. */
  async function isCharged(tenantId: string, { attempt, startedAt }: IdempotencyKeyDoc): Promise<boolean> {
    const at = startedAt.getTime();
    const days = { tenantId, from: dayOf(at), to: dayOf(at + DAY_MS) };
    const found = await usageDays.read([days], [`marks.${attempt}`]);
    return found.some(({ marks }) => (marks?.[attempt] ?? 0) > 0);
  }

  /** Takes over from an attempt whose lease has expired. @returns null if another attempt was faster */
  async function takeOver(record: IdempotencyKeyDoc, tenantId: string): Promise<RequestLease | null> {
    const { _id, attempt, leaseUntil } = record;
    const chargedBy = record.chargedBy ?? ((await isCharged(tenantId, record)) ? attempt : null);
    const lease = { ...newLease(_id, tenantId), isCharged: chargedBy !== null };
    const taken = await keys.updateOne(
      { _id, attempt, leaseUntil, answer: null },
      { $set: { ...leaseFields(lease), chargedBy } },
    );
    return taken.modifiedCount === 1 ? lease : null;
  }

  /** An answer that a failover may still roll back is not given: its client would take it for stored. */
  async function durableAnswer(id: string): Promise<Answer | null> {
    const record = await keys.findById(id, { answer: 1 }).readConcern('majority').lean<IdempotencyKeyDoc>();
    return record?.answer ?? null;
  }

  async function tryAcquire(request: KeyedRequest, id: string, hash: string): Promise<AcquiredKey | 'BUSY'> {
    const { tenantId, argument } = request;
    for (;;) {
      const lease = newLease(id, tenantId);
      if (await insert(lease, hash)) return lease;
      const record = await keys.findById(id).lean<IdempotencyKeyDoc>();
      if (!record) continue;
      if (record.expiresAt.getTime() <= clock.now()) {
        // MongoDB deletes expired records only within a minute.
        await keys.deleteOne({ _id: id, attempt: record.attempt, expiresAt: record.expiresAt });
        continue;
      }
      if (record.hash !== hash)
        throw badInput(argument, 'was used in the last 24 hours for something else; use a new key');
      if (record.answer) {
        const answer = await durableAnswer(id);
        return answer ? { kind: 'ANSWERED', id, answer } : 'BUSY';
      }
      if (record.leaseUntil.getTime() > clock.now()) return 'BUSY';
      const taken = await takeOver(record, tenantId);
      if (taken) return taken;
    }
  }

  async function waitForOther(request: KeyedRequest, id: string, hash: string): Promise<AcquiredKey> {
    const untilMs = performance.now() + MAX_WAIT_MS;
    for (
      let pollMs = FIRST_POLL_MS;
      performance.now() < untilMs;
      pollMs = Math.min(2 * pollMs, MAX_POLL_MS)
    ) {
      await sleep(pollMs);
      const acquired = await tryAcquire(request, id, hash);
      if (acquired !== 'BUSY') return acquired;
    }
    throw busy();
  }

  return {
    async acquire(request) {
      const { tenantId, field, key, content } = request;
      const id = `${tenantId}:${field}:${key}`;
      const hash = createHash('sha256').update(JSON.stringify(content)).digest('base64');
      const acquired = await tryAcquire(request, id, hash);
      if (acquired !== 'BUSY') return acquired;
      const others = waiting.get(tenantId) ?? 0;
      if (others >= MAX_WAITING) throw busy();
      waiting.set(tenantId, others + 1);
      try {
        return await waitForOther(request, id, hash);
      } finally {
        const left = (waiting.get(tenantId) ?? 1) - 1;
        if (left > 0) waiting.set(tenantId, left);
        else waiting.delete(tenantId);
      }
    },

    answerOf: durableAnswer,

    async complete({ id, attempt }, answer, session) {
      const noted = await keys.updateOne(
        { _id: id, attempt, answer: null },
        { $set: { answer } },
        { ...(session && { session }) },
      );
      if (noted.matchedCount === 0) throw busy();
    },

    completed(lease) {
      lease.isAnswered = true;
      marks.forget(lease);
    },

    async mayReturnCalls({ id, attempt }) {
      const renewed = { leaseUntil: new Date(clock.now() + LEASE_MS) };
      const own = await keys.updateOne({ _id: id, attempt, answer: null }, { $set: renewed });
      if (own.matchedCount === 1) return true;
      return (await keys.exists({ _id: id, $or: [{ attempt }, { chargedBy: attempt }] })) === null;
    },

    async release(lease) {
      const { id, attempt } = lease;
      marks.forget(lease);
      const own = { _id: id, attempt, answer: null };
      // Keep the record of the charge, so that the next attempt is not charged.
      if (lease.isCharged) await keys.updateOne(own, { $set: { leaseUntil: new Date(clock.now()) } });
      else await keys.deleteOne(own);
    },

    start: marks.start,
    stop: marks.stop,
  };
}

const busy = () =>
  serviceUnavailable(
    'A request with the same idempotency key is under way; try again shortly with the same key',
  );
