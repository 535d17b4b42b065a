import type { StorageAmounts } from '@continuum-billing/limits/core';
import type { ClientSession } from 'mongoose';
import type { Clock } from '../../../common/clock.js';
import { type BillingError, badInput, serviceUnavailable } from '../../../common/errors.js';
import { groupBy } from '../../../common/groups.js';
import type { Models } from '../../../models/models.js';
import type { StorageAccountDoc, StorageReservation } from '../../../models/storageAccount.js';
import { changeIf, updateInTransaction } from '../../infrastructure/conditionalUpdates.js';
import { createTurns, type Turns } from '../../infrastructure/turns.js';
import { createReservations, type ReservationDecision, type StorageLimits } from './reservations.js';
import { askedOf, storedOf } from './storageAmounts.js';

export type { ReservationDecision, StorageAmounts, StorageLimits, StorageReservation };

/** A reservation of which everything is now stored. */
export interface StorageCommit {
  tenantId: string;
  reservationId: string;
  /** The length of the embeddings that are stored; null: none. */
  dimensions: number | null;
}

/**
 * Storage quotas. Storage is reserved before an operation runs, so that the operation is rejected whole; the transaction
 * that stores commits the reservation. The sweep releases reservations that a crash left behind, so that the counters
 * equal what is stored. Another service commits or releases its reservations with a request; the sweep commits those that
 * it left open.
 */
export interface Storage {
  /** @param external whether another service stores it */
  reserve(
    tenantId: string,
    limits: StorageLimits,
    amounts: StorageAmounts,
    external?: boolean,
  ): Promise<ReservationDecision>;
  /** Releases a reservation that was not used. Releasing one that has ended does nothing. */
  release(tenantId: string, reservationId: string): Promise<void>;
  /**
   * Runs a transaction that commits reservations while this instance reserves nothing for these tenants, because the two
   * would wait for each other in MongoDB, in growing steps.
   */
  alone: Turns['run'];
  /**
   * Commits reservations in the transaction that stores.
   * @returns false if not all of them can be committed; the transaction must be aborted then
   */
  commit(commits: readonly StorageCommit[], session: ClientSession): Promise<boolean>;
  /**
   * Why a reservation could not be committed.
   * @returns BAD_USER_INPUT when the tenant's embeddings have another length
   */
  problemOf(commit: StorageCommit): Promise<BillingError>;
  /** Commits a reservation after another service has stored. Committing one that has ended does nothing. */
  commitExternal(tenantId: string, reservationId: string): Promise<void>;
  /** Frees storage in the transaction that deletes. No amount goes below what is reserved. */
  free(tenantId: string, amounts: StorageAmounts, session: ClientSession): Promise<void>;
  /** Frees storage after another service has deleted. Bytes are taken off those of services, never off memories. */
  freeExternal(tenantId: string, amounts: StorageAmounts): Promise<void>;
  /** Sets how much of a resource is stored, or how many bytes services have, after another service has counted it. */
  setExternal(tenantId: string, resource: string, amount: number): Promise<void>;
  /** What is stored. */
  stored(tenantIds: readonly string[]): Promise<StorageAmounts[]>;
  /** Length of the tenant's embeddings; null while it has none. */
  dimensions(tenantId: string): Promise<number | null>;
  /** Ends the reservations of operations that never reported their end. @returns how many */
  sweep(): Promise<number>;
}

/** The resources that every catalogue has. */
const OWN_RESOURCES = ['memories', 'embeddings', 'bytes'] as const;

const EMPTY_ACCOUNT = { memories: 0, embeddings: 0, bytes: 0, holds: [], dimensions: null };

/** No operation lasts this long. The transaction of one that does finds its reservation gone, and stores nothing. */
const RESERVATION_MS = 120_000;

/** @param resources those of the catalogue, in addition to our own */
export function createStorage(deps: {
  models: Models;
  clock: Clock;
  resources?: readonly string[];
}): Storage {
  const { models, clock, resources = [] } = deps;
  const accounts = models.storageAccounts;
  const allResources = [...OWN_RESOURCES, ...resources];
  const turns = createTurns();
  const makeAccount = async (tenantId: string) =>
    accounts.updateOne({ _id: tenantId }, { $setOnInsert: EMPTY_ACCOUNT }, { upsert: true });
  const reservations = createReservations({ models, clock, turns, makeAccount });

  return {
    reserve: (tenantId, limits, amounts, external = false) =>
      reservations.reserve(tenantId, limits, amounts, external),

    alone: turns.run,

    async release(tenantId, reservationId) {
      const account = await accounts
        .findOne({ _id: tenantId, 'holds.id': reservationId })
        .lean<StorageAccountDoc>();
      const reservation = account?.holds.find(({ id }) => id === reservationId);
      if (!reservation) return;
      await accounts.updateOne(
        { _id: tenantId, 'holds.id': reservationId },
        { $inc: negative(reservation), $pull: { holds: { id: reservationId } } },
      );
    },

    async commitExternal(tenantId, reservationId) {
      const bytes = reservedIn('bytes', { $eq: ['$$this.id', reservationId] });
      await accounts.updateOne(
        { _id: tenantId, 'holds.id': reservationId },
        [
          { $set: { externalBytes: { $add: [EXTERNAL_BYTES, bytes] } } },
          { $set: { holds: { $filter: { input: '$holds', cond: { $ne: ['$$this.id', reservationId] } } } } },
        ],
        { updatePipeline: true },
      );
    },

    async commit(commits, session) {
      const ofTenants = [...groupBy(commits, ({ tenantId }) => tenantId)].map(([tenantId, ofTenant]) => {
        const ids = ofTenant.map(({ reservationId }) => reservationId);
        const lengths = new Set(ofTenant.flatMap(({ dimensions }) => dimensions ?? []));
        const [dimensions] = lengths;
        return { tenantId, ids, dimensions, areOfOneLength: lengths.size <= 1 };
      });
      if (!ofTenants.every(({ areOfOneLength }) => areOfOneLength)) return false;
      const updates = ofTenants.map(({ tenantId, ids, dimensions }) => {
        const areHeld = { $setIsSubset: [ids, '$holds.id'] };
        const holds = { $filter: { input: '$holds', cond: { $not: [{ $in: ['$$this.id', ids] }] } } };
        const isOfLength = { $in: ['$dimensions', [null, dimensions]] };
        return {
          q: { _id: tenantId },
          u:
            dimensions === undefined
              ? changeIf(areHeld, { holds })
              : changeIf({ $and: [areHeld, isOfLength] }, { holds, dimensions }),
        };
      });
      return (await updateInTransaction(accounts, updates, session)) === updates.length;
    },

    async problemOf({ tenantId, reservationId, dimensions }) {
      const account = await accounts.findById(tenantId).lean<StorageAccountDoc>();
      if (!account?.holds.some(({ id }) => id === reservationId))
        return serviceUnavailable('The operation took too long and lost its storage reservation; try again');
      return badInput(
        'input.embedding',
        `has ${dimensions} numbers, but this tenant's embeddings have ${account.dimensions}; all must be of one length`,
      );
    },

    async free(tenantId, amounts, session) {
      await accounts.updateOne(
        { _id: tenantId },
        [
          { $set: lessOf(askedOf(amounts)) },
          // With the last embedding goes the length that all must have.
          { $set: { dimensions: { $cond: [{ $eq: ['$embeddings', 0] }, null, '$dimensions'] } } },
        ],
        { session, updatePipeline: true },
      );
    },

    async freeExternal(tenantId, { bytes = 0, ...amounts }) {
      const freed = { $min: [bytes, EXTERNAL_BYTES] };
      await accounts.updateOne(
        { _id: tenantId },
        [
          {
            $set: {
              ...lessOf(askedOf(amounts)),
              ...changedBytes({ $subtract: [EXTERNAL_BYTES, freed] }),
            },
          },
        ],
        { updatePipeline: true },
      );
    },

    async setExternal(tenantId, resource, amount) {
      await makeAccount(tenantId);
      const counted = resource === 'bytes' ? changedBytes({ $literal: amount }) : setTo(resource, amount);
      await accounts.updateOne({ _id: tenantId }, [{ $set: counted }], { updatePipeline: true });
    },

    async stored(tenantIds) {
      const found = await accounts.find({ _id: { $in: tenantIds } }).lean<StorageAccountDoc[]>();
      const byId = new Map(found.map((account) => [account._id, account]));
      return tenantIds.map((id) => storedOf(byId.get(id), allResources));
    },

    async dimensions(tenantId) {
      const account = await accounts.findById(tenantId, { dimensions: 1 }).lean<StorageAccountDoc>();
      return account?.dimensions ?? null;
    },

    async sweep() {
      const before = new Date(clock.now() - RESERVATION_MS);
      const accountsWithOld = await accounts
        .find({ 'holds.at': { $lt: before } })
        .limit(1000)
        .lean<StorageAccountDoc[]>();
      let ended = 0;
      for (const account of accountsWithOld) {
        for (const reservation of account.holds.filter(({ at }) => at < before)) {
          await (reservation.elsewhere
            ? this.commitExternal(account._id, reservation.id)
            : this.release(account._id, reservation.id));
          ended++;
        }
      }
      return ended;
    },
  };
}

/** What releasing a stored reservation takes off the totals. */
const negative = (reservation: StorageReservation): Record<string, number> =>
  Object.fromEntries(
    Object.entries(reservation).flatMap(([resource, amount]) =>
      typeof amount === 'number' ? [[resource, -amount]] : [],
    ),
  );

/** The sum of a resource over the reservations, for an update. */
const reservedIn = (resource: string, cond: object | true = true) => ({
  $sum: {
    $map: { input: { $filter: { input: '$holds', cond } }, in: { $ifNull: [`$$this.${resource}`, 0] } },
  },
});

const EXTERNAL_BYTES = { $ifNull: ['$externalBytes', 0] };

/** Changes only what services have stored of the bytes that all share. */
const changedBytes = (externalBytes: object) => ({
  bytes: { $add: [{ $ifNull: ['$bytes', 0] }, { $subtract: [externalBytes, EXTERNAL_BYTES] }] },
  externalBytes,
});

const setTo = (resource: string, amount: number) => ({
  [resource]: { $add: [reservedIn(resource), amount] },
});

const lessOf = (amounts: readonly [string, number][]) =>
  Object.fromEntries(
    amounts.map(([resource, amount]) => [
      resource,
      { $max: [reservedIn(resource), { $subtract: [{ $ifNull: [`$${resource}`, 0] }, amount] }] },
    ]),
  );
