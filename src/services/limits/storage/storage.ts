import type { StorageAmounts } from '@continuum-billing/limits/core';
import type { ClientSession } from 'mongoose';
import type { Clock } from '../../../common/clock.js';
import { type BillingError, badInput, serviceUnavailable } from '../../../common/errors.js';
import { groupBy } from '../../../common/groups.js';
import type { LedgerDoc, StorageReservation } from '../../../models/ledger.js';
import type { Models } from '../../../models/models.js';
import { STORED_LIMITS } from '../../../models/tierLimits.js';
import { updateInTransaction } from '../../infrastructure/conditionalUpdates.js';
import { amountOf, askedOf, storedOf } from './storageAmounts.js';

export type { StorageAmounts };

/** A reservation of which everything is now stored. */
export interface StorageCommit {
  tenantId: string;
  reservationId: string;
  /** The length of the embeddings that are stored; null: none. */
  dimensions: number | null;
}

/**
 * What tenants store. Admission reserves storage before an operation runs; the transaction that stores commits the
 * reservation. The sweep releases reservations that a crash left behind, so that the levels equal what is stored. Another
 * service commits or releases its reservations with a request; the sweep commits those that it left open.
 */
export interface Storage {
  /** Releases a reservation that was not used. Releasing one that has ended does nothing. */
  release(tenantId: string, reservationId: string): Promise<void>;
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
  /** Frees storage in the transaction that deletes. No level goes below what is reserved. */
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

/** No operation lasts this long. The transaction of one that does finds its reservation gone, and stores nothing. */
const RESERVATION_MS = 120_000;
const MAX_SWEPT = 1_000;

/** @param resources those of the catalogue, in addition to our own */
export function createStorage(deps: {
  models: Models;
  clock: Clock;
  resources?: readonly string[];
}): Storage {
  const { models, clock, resources = [] } = deps;
  const { ledgers } = models;
  const allResources = [...Object.keys(STORED_LIMITS), ...resources];

  /** Ends a reservation that is still open. @param change what is added to the levels with it */
  async function end(
    tenantId: string,
    id: string,
    change: (reservation: StorageReservation) => [resource: string, amount: number][],
  ): Promise<void> {
    const isOpen = { _id: tenantId, 'reservations.id': id };
    const ledger = await ledgers.findOne(isOpen, { reservations: 1 }).lean<LedgerDoc>();
    const reservation = ledger?.reservations?.find((open) => open.id === id);
    if (!reservation) return;
    const plus = change(reservation).map(([resource, amount]) => [`levels.${resource}`, amount]);
    await ledgers.updateOne(isOpen, { $inc: Object.fromEntries(plus), $pull: { reservations: { id } } });
  }

  return {
    release: (tenantId, reservationId) =>
      end(tenantId, reservationId, ({ amounts }) =>
        Object.entries(amounts).map(([resource, amount]) => [resource, -amount]),
      ),

    commitExternal: (tenantId, reservationId) =>
      end(tenantId, reservationId, ({ amounts }) => [['externalBytes', amountOf(amounts, 'bytes')]]),

    async commit(commits, session) {
      const ofTenants = [...groupBy(commits, ({ tenantId }) => tenantId)].map(([tenantId, ofTenant]) => {
        const ids = ofTenant.map(({ reservationId }) => reservationId);
        const lengths = new Set(ofTenant.flatMap(({ dimensions }) => dimensions ?? []));
        const [dimensions] = lengths;
        return { tenantId, ids, dimensions, areOfOneLength: lengths.size <= 1 };
      });
      if (!ofTenants.every(({ areOfOneLength }) => areOfOneLength)) return false;
      const updates = ofTenants.map(({ tenantId, ids, dimensions }) => ({
        q: {
          _id: tenantId,
          'reservations.id': { $all: ids },
          ...(dimensions !== undefined && { dimensions: { $in: [null, dimensions] } }),
        },
        u: {
          $pull: { reservations: { id: { $in: ids } } },
          ...(dimensions !== undefined && { $set: { dimensions } }),
        },
        hint: '_id_',
      }));
      return (await updateInTransaction(ledgers, updates, session)) === updates.length;
    },

    async problemOf({ tenantId, reservationId, dimensions }) {
      const ledger = await ledgers.findById(tenantId, { reservations: 1, dimensions: 1 }).lean<LedgerDoc>();
      if (!ledger?.reservations?.some(({ id }) => id === reservationId))
        return serviceUnavailable('The operation took too long and lost its storage reservation; try again');
      return badInput(
        'input.embedding',
        `has ${dimensions} numbers, but this tenant's embeddings have ${ledger.dimensions}; all must be of one length`,
      );
    },

    async free(tenantId, amounts, session) {
      await ledgers.updateOne(
        { _id: tenantId },
        [
          { $set: lessOf(askedOf(amounts)) },
          // With the last embedding goes the length that all must have.
          { $set: { dimensions: { $cond: [{ $eq: ['$levels.embeddings', 0] }, null, '$dimensions'] } } },
        ],
        { session, updatePipeline: true },
      );
    },

    async freeExternal(tenantId, { bytes = 0, ...amounts }) {
      const freed = { $min: [bytes, EXTERNAL_BYTES] };
      await ledgers.updateOne(
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
      const counted = resource === 'bytes' ? changedBytes({ $literal: amount }) : setTo(resource, amount);
      await ledgers.updateOne({ _id: tenantId }, [{ $set: counted }], { updatePipeline: true, upsert: true });
    },

    async stored(tenantIds) {
      const found = await ledgers
        .find({ _id: { $in: tenantIds } }, { levels: 1, reservations: 1 })
        .lean<LedgerDoc[]>();
      const byId = new Map(found.map((ledger) => [ledger._id, ledger]));
      return tenantIds.map((id) => storedOf(byId.get(id), allResources));
    },

    async dimensions(tenantId) {
      const ledger = await ledgers.findById(tenantId, { dimensions: 1 }).lean<LedgerDoc>();
      return ledger?.dimensions ?? null;
    },

    async sweep() {
      const before = new Date(clock.now() - RESERVATION_MS);
      const withOld = await ledgers
        .find({ 'reservations.at': { $lt: before } }, { reservations: 1 })
        .limit(MAX_SWEPT)
        .lean<LedgerDoc[]>();
      let ended = 0;
      for (const { _id: tenantId, reservations = [] } of withOld) {
        for (const { id, external } of reservations.filter(({ at }) => at < before)) {
          await (external ? this.commitExternal(tenantId, id) : this.release(tenantId, id));
          ended++;
        }
      }
      return ended;
    },
  };
}

const RESERVATIONS = { $ifNull: ['$reservations', []] };

/** The sum of a resource over the reservations, for an update. */
const reservedIn = (resource: string) => ({
  $sum: { $map: { input: RESERVATIONS, in: { $ifNull: [`$$this.amounts.${resource}`, 0] } } },
});

const EXTERNAL_BYTES = { $ifNull: ['$levels.externalBytes', 0] };

/** Changes only what services have stored of the bytes that all share. */
const changedBytes = (externalBytes: object) => ({
  'levels.bytes': {
    $add: [{ $ifNull: ['$levels.bytes', 0] }, { $subtract: [externalBytes, EXTERNAL_BYTES] }],
  },
  'levels.externalBytes': externalBytes,
});

const setTo = (resource: string, amount: number) => ({
  [`levels.${resource}`]: { $add: [reservedIn(resource), amount] },
});

const lessOf = (amounts: readonly [string, number][]) =>
  Object.fromEntries(
    amounts.map(([resource, amount]) => [
      `levels.${resource}`,
      { $max: [reservedIn(resource), { $subtract: [{ $ifNull: [`$levels.${resource}`, 0] }, amount] }] },
    ]),
  );
