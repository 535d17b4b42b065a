import { randomUUID } from 'node:crypto';
import { type StorageAmounts } from '@continuum-billing/limits/core';
import type { ClientSession } from 'mongoose';
import type { TierLimits } from '../../../catalogue/catalogue.js';
import type { Clock } from '../../../common/clock.js';
import { badInput, serviceUnavailable } from '../../../common/errors.js';
import type { Models } from '../../../models/models.js';
import type { StorageAccountDoc, StorageReservation } from '../../../models/storageAccount.js';

export type { StorageAmounts, StorageReservation };

export type StorageLimits = Pick<TierLimits, 'maxMemories' | 'maxEmbeddings' | 'maxStorageBytes'> &
  Partial<Pick<TierLimits, 'stored'>>;

export type ReservationDecision =
  | { granted: true; reservation: StorageReservation }
  | { granted: false; resource: string; limit: number; usage: number };

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
   * Commits a reservation in the transaction that stores.
   * @param dimensions length of the embeddings that are stored; null: none
   * @returns what is stored afterwards
   * @throws BAD_USER_INPUT when the tenant's embeddings have another length
   */
  commit(
    tenantId: string,
    reservationId: string,
    dimensions: number | null,
    session: ClientSession,
  ): Promise<StorageAmounts>;
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

/** No operation lasts this long. The transaction of one that does finds its reservation gone, and stores nothing. */
const RESERVATION_MS = 120_000;
/** Reservations of one tenant at a time: they are in one document. */
const MAX_RESERVATIONS = 2_000;

function limitOf(limits: StorageLimits, resource: string): number {
  if (resource === 'memories') return limits.maxMemories;
  if (resource === 'embeddings') return limits.maxEmbeddings;
  if (resource === 'bytes') return limits.maxStorageBytes;
  const { stored = {} } = limits;
  return Object.hasOwn(stored, resource) ? (stored[resource] as number) : 0;
}

/** @param resources those of the catalogue, in addition to our own */
export function createStorage(deps: {
  models: Models;
  clock: Clock;
  resources?: readonly string[];
}): Storage {
  const { models, clock, resources = [] } = deps;
  const accounts = models.storageAccounts;
  const allResources = [...OWN_RESOURCES, ...resources];

  const reservedOf = (account: StorageAccountDoc, resource: string) =>
    account.holds.reduce((sum, reservation) => sum + amountOf(reservation, resource), 0);

  const storedOf = (account: StorageAccountDoc | undefined | null): StorageAmounts =>
    Object.fromEntries(
      allResources.map((resource) => [
        resource,
        account ? amountOf(account, resource) - reservedOf(account, resource) : 0,
      ]),
    );

  /** Only a resource that is asked for can be short: after a downgrade, only writes to a resource that is over its limit are rejected. */
  const askedOf = (amounts: StorageAmounts) =>
    Object.entries(amounts).filter(([, amount]) => amount > 0) as [string, number][];

  async function tryReserve(
    tenantId: string,
    limits: StorageLimits,
    amounts: StorageAmounts,
    reservation: StorageReservation,
  ): Promise<boolean> {
    const room = askedOf(amounts).map(([resource, amount]) => ({
      // One that was never stored is missing, and is not greater either.
      [resource]: { $not: { $gt: limitOf(limits, resource) - amount } },
    }));
    const result = await accounts.updateOne(
      { _id: tenantId, [`holds.${MAX_RESERVATIONS - 1}`]: { $exists: false }, $and: [{}, ...room] },
      { $inc: { ...amounts }, $push: { holds: { ...reservation, ...amounts } } },
    );
    return result.modifiedCount === 1;
  }

  async function whatIsShort(tenantId: string, limits: StorageLimits, amounts: StorageAmounts) {
    const account = await accounts.findById(tenantId).lean<StorageAccountDoc>();
    const short = askedOf(amounts).find(
      ([resource, amount]) =>
        (account ? amountOf(account, resource) : 0) + amount > limitOf(limits, resource),
    );
    if (!short) return null;
    const [resource] = short;
    return {
      granted: false as const,
      resource,
      limit: limitOf(limits, resource),
      usage: storedOf(account)[resource] ?? 0,
    };
  }

  async function rejectTooManyReservations(tenantId: string): Promise<void> {
    const full = await accounts.exists({
      _id: tenantId,
      [`holds.${MAX_RESERVATIONS - 1}`]: { $exists: true },
    });
    if (full)
      throw serviceUnavailable(
        `More than ${MAX_RESERVATIONS} operations that store are under way; try again shortly`,
      );
  }

  async function makeAccount(tenantId: string): Promise<void> {
    await accounts.updateOne(
      { _id: tenantId },
      { $setOnInsert: { memories: 0, embeddings: 0, bytes: 0, holds: [], dimensions: null } },
      { upsert: true },
    );
  }

  return {
    async reserve(tenantId, limits, amounts, external = false) {
      const reservation: StorageReservation = {
        id: randomUUID(),
        at: new Date(clock.now()),
        ...(external && { elsewhere: true }),
      };
      // What is more than the limit alone would fit into an account that has none of it yet.
      const tooMuch = askedOf(amounts).some(([resource, amount]) => amount > limitOf(limits, resource));
      for (;;) {
        if (!tooMuch && (await tryReserve(tenantId, limits, amounts, reservation)))
          return { granted: true, reservation };
        const short = await whatIsShort(tenantId, limits, amounts);
        if (short) return short;
        await rejectTooManyReservations(tenantId);
        // The account is new, or room came free in between.
        await makeAccount(tenantId);
      }
    },

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

    async commit(tenantId, reservationId, dimensions, session) {
      const settled = await accounts
        .findOneAndUpdate(
          {
            _id: tenantId,
            'holds.id': reservationId,
            ...(dimensions === null ? {} : { dimensions: { $in: [null, dimensions] } }),
          },
          {
            $pull: { holds: { id: reservationId } },
            ...(dimensions === null ? {} : { $set: { dimensions } }),
          },
          { session, returnDocument: 'after' },
        )
        .lean<StorageAccountDoc>();
      if (settled) return storedOf(settled);
      const account = await accounts.findById(tenantId, null, { session }).lean<StorageAccountDoc>();
      if (!account?.holds.some(({ id }) => id === reservationId))
        throw serviceUnavailable('The operation took too long and lost its storage reservation; try again');
      throw badInput(
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
      return tenantIds.map((id) => storedOf(byId.get(id)));
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

/** The amount of one resource in an account, or in a reservation, as it is stored. */
function amountOf(stored: object, resource: string): number {
  const amount = (stored as Record<string, unknown>)[resource];
  return typeof amount === 'number' ? amount : 0;
}
