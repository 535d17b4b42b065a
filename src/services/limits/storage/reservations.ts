import { randomUUID } from 'node:crypto';
import { createGroupCommit, type StorageAmounts } from '@continuum-billing/limits/core';
import type { TierLimits } from '../../../catalogue/catalogue.js';
import type { Clock } from '../../../common/clock.js';
import { serviceUnavailable } from '../../../common/errors.js';
import { groupBy } from '../../../common/groups.js';
import type { Models } from '../../../models/models.js';
import type { StorageAccountDoc, StorageReservation } from '../../../models/storageAccount.js';
import { type ConditionalUpdate, changeIf, sendUpdates } from '../../infrastructure/conditionalUpdates.js';
import type { Turns } from '../../infrastructure/turns.js';
import { amountOf, askedOf, storedOf, sumOf } from './storageAmounts.js';

export type StorageLimits = Pick<TierLimits, 'maxMemories' | 'maxEmbeddings' | 'maxStorageBytes'> &
  Partial<Pick<TierLimits, 'stored'>>;

export type ReservationDecision =
  | { granted: true; reservation: StorageReservation }
  | { granted: false; resource: string; limit: number; usage: number };

/** Reserves storage. Operations that ask while a batch is being written share the next, with one update for each tenant. */
export interface Reservations {
  /** @param external whether another service stores it */
  reserve(
    tenantId: string,
    limits: StorageLimits,
    amounts: StorageAmounts,
    external: boolean,
  ): Promise<ReservationDecision>;
}

interface Waiting {
  tenantId: string;
  limits: StorageLimits;
  amounts: StorageAmounts;
  reservation: StorageReservation;
  resolve(decision: ReservationDecision): void;
  reject(error: unknown): void;
}

/** The reservations of one tenant that wait. */
type Group = [Waiting, ...Waiting[]];

/** Reservations of one tenant at a time: they are in one document. */
const MAX_RESERVATIONS = 2_000;
const MAX_WAITING = 10_000;

export function createReservations(deps: {
  models: Models;
  clock: Clock;
  turns: Turns;
  makeAccount: (tenantId: string) => Promise<unknown>;
}): Reservations {
  const { models, clock, turns, makeAccount } = deps;
  const accounts = models.storageAccounts;
  const queue = createGroupCommit<Waiting>(decide, MAX_WAITING);
  /** Those of tenants that wait for their turn, by tenant. */
  const groups = new Map<string, Group>();

  async function decide(batch: readonly Waiting[]): Promise<void> {
    const tenantIds: string[] = [];
    for (const [tenantId, waiting] of groupBy(batch, (one) => one.tenantId)) {
      const group = groups.get(tenantId);
      if (group) group.push(...waiting);
      else groups.set(tenantId, waiting);
      if (!group) tenantIds.push(tenantId);
    }
    const byTurn = groupBy(tenantIds, turns.isTaken);
    const [taken, free] = [byTurn.get(true), byTurn.get(false)];
    // Beside the next batch: other tenants do not wait for a transaction of these.
    if (taken) void turns.run(taken, () => decideTogether(taken));
    if (free) await turns.run(free, () => decideTogether(free));
  }

  async function decideTogether(tenantIds: readonly string[]): Promise<void> {
    const together = tenantIds.map((tenantId) => groups.get(tenantId) as Group);
    for (const tenantId of tenantIds) groups.delete(tenantId);
    try {
      const reserved = await reserve(together);
      for (const group of together) {
        if (reserved.has(group)) for (const waiting of group) grant(waiting);
        // Beside the next batch, too, for one whose storage is full.
        else void decideEach(group);
      }
    } catch (error) {
      // What was reserved all the same is released by the sweep.
      for (const { reject } of together.flat()) reject(error);
    }
  }

  /** @returns the groups that have been reserved whole */
  async function reserve(together: readonly Group[]): Promise<Set<Group>> {
    const changed = await sendUpdates(accounts, together.map(updateOf));
    if (changed === together.length) return new Set(together);
    const tenantIds = together.map(([{ tenantId }]) => tenantId);
    const found = await accounts
      .find({ _id: { $in: tenantIds }, 'holds.id': { $in: together.map(idOf) } }, { _id: 1 })
      .lean<Pick<StorageAccountDoc, '_id'>[]>();
    const tenants = new Set(found.map(({ _id }) => _id));
    return new Set(together.filter(([{ tenantId }]) => tenants.has(tenantId)));
  }

  async function decideEach(group: Group): Promise<void> {
    for (const waiting of group) await decideOne(waiting).then(waiting.resolve, waiting.reject);
  }

  async function decideOne(waiting: Waiting): Promise<ReservationDecision> {
    const { tenantId, reservation } = waiting;
    for (;;) {
      const reserved = await turns.run([tenantId], () => reserve([[waiting]]));
      if (reserved.size === 1) return { granted: true, reservation };
      const short = await whatIsShort(waiting);
      if (short) return short;
      await rejectTooMany(tenantId);
      // The account is new, or room came free in between.
      await makeAccount(tenantId);
    }
  }

  async function whatIsShort({
    tenantId,
    limits,
    amounts,
  }: Pick<Waiting, 'tenantId' | 'limits' | 'amounts'>) {
    const account = await accounts.findById(tenantId).lean<StorageAccountDoc>();
    const short = askedOf(amounts).find(
      ([resource, amount]) =>
        (account ? amountOf(account, resource) : 0) + amount > limitOf(limits, resource),
    );
    if (!short) return null;
    const [resource] = short;
    const usage = storedOf(account, [resource])[resource] ?? 0;
    return { granted: false as const, resource, limit: limitOf(limits, resource), usage };
  }

  async function rejectTooMany(tenantId: string): Promise<void> {
    const full = await accounts.exists({
      _id: tenantId,
      [`holds.${MAX_RESERVATIONS - 1}`]: { $exists: true },
    });
    if (full)
      throw serviceUnavailable(
        `More than ${MAX_RESERVATIONS} operations that store are under way; try again shortly`,
      );
  }

  return {
    async reserve(tenantId, limits, amounts, external) {
      // What is more than the limit alone would fit into an account that has none of it yet.
      if (askedOf(amounts).some(([resource, amount]) => amount > limitOf(limits, resource))) {
        const short = await whatIsShort({ tenantId, limits, amounts });
        if (short) return short;
      }
      const reservation: StorageReservation = {
        id: randomUUID(),
        at: new Date(clock.now()),
        ...(external && { elsewhere: true }),
      };
      return new Promise((resolve, reject) => {
        queue.submit({ tenantId, limits, amounts, reservation, resolve, reject });
      });
    },
  };
}

const grant = ({ reservation, resolve }: Waiting): void => resolve({ granted: true, reservation });

const idOf = ([{ reservation }]: Group): string => reservation.id;

/** Reserves for all of a tenant's operations, or for none. */
function updateOf(group: Group): ConditionalUpdate {
  const amounts = Object.entries(sumOf(group.map((waiting) => waiting.amounts)));
  const room = amounts.flatMap(([resource, amount]) => {
    const limit = Math.min(...group.map(({ limits }) => limitOf(limits, resource)));
    // One that was never stored is missing, which is less than any number.
    return amount > 0 ? [{ $lte: [`$${resource}`, limit - amount] }] : [];
  });
  const holds = group.map((waiting) => ({ ...waiting.reservation, ...waiting.amounts }));
  const hasRoom = {
    $and: [
      { $lte: [{ $size: '$holds' }, MAX_RESERVATIONS - group.length] },
      { $not: [{ $in: [idOf(group), '$holds.id'] }] },
      ...room,
    ],
  };
  const totals = amounts.map(([resource, amount]) => [resource, { $sum: [`$${resource}`, amount] }]);
  return {
    q: { _id: group[0].tenantId },
    u: changeIf(hasRoom, { ...Object.fromEntries(totals), holds: { $concatArrays: ['$holds', holds] } }),
  };
}

function limitOf(limits: StorageLimits, resource: string): number {
  if (resource === 'memories') return limits.maxMemories;
  if (resource === 'embeddings') return limits.maxEmbeddings;
  if (resource === 'bytes') return limits.maxStorageBytes;
  const { stored = {} } = limits;
  return Object.hasOwn(stored, resource) ? (stored[resource] as number) : 0;
}
