import { randomUUID } from 'node:crypto';
import type { ClientSession } from 'mongoose';
import type { Clock } from '../../clock.js';
import { badInput, serviceUnavailable } from '../../errors.js';
import type { Models } from '../../models/models.js';
import type { StorageAccountDoc, StorageAmounts, StorageHold } from '../../models/storageAccount.js';
import type { TierLimits } from '../tiers/catalogue.js';

export type { StorageAmounts, StorageHold };

export type StorageLimits = Pick<TierLimits, 'maxMemories' | 'maxEmbeddings' | 'maxStorageBytes'>;

export type HoldDecision =
  | { granted: true; hold: StorageHold }
  | { granted: false; resource: keyof StorageAmounts; limit: number; usage: number };

/**
 * Storage quotas. Room is held before an operation runs, so that it is refused whole; the hold ends in the
 * transaction that stores. A hold that a crash left is given back by the sweep: the counters then equal what is stored.
 */
export interface Storage {
  hold(tenantId: string, limits: StorageLimits, amounts: StorageAmounts): Promise<HoldDecision>;
  /** Gives back a hold that was not used. Releasing one that has ended does nothing. */
  release(tenantId: string, holdId: string): Promise<void>;
  /**
   * In the transaction that stores: the hold becomes what is stored.
   * @param dimensions length of the embeddings that are stored; null: none
   * @returns what is stored then
   * @throws BAD_USER_INPUT when the tenant's embeddings have another length
   */
  settle(
    tenantId: string,
    holdId: string,
    dimensions: number | null,
    session: ClientSession,
  ): Promise<StorageAmounts>;
  /** In the transaction that deletes. */
  free(tenantId: string, amounts: StorageAmounts, session: ClientSession): Promise<void>;
  /** What is stored. */
  stored(tenantIds: readonly string[]): Promise<StorageAmounts[]>;
  /** Length of the tenant's embeddings; null while it has none. */
  dimensions(tenantId: string): Promise<number | null>;
  /** Gives back the holds of operations that ended without a word. @returns how many */
  sweep(): Promise<number>;
}

/** No operation lasts so long; the transaction of one that did finds its hold gone, and stores nothing. */
const HOLD_MS = 120_000;
const RESOURCES = ['memories', 'embeddings', 'bytes'] as const;
const NOTHING: StorageAmounts = { memories: 0, embeddings: 0, bytes: 0 };

const limitOf = (limits: StorageLimits, resource: keyof StorageAmounts): number =>
  ({ memories: limits.maxMemories, embeddings: limits.maxEmbeddings, bytes: limits.maxStorageBytes })[
    resource
  ];

const negative = ({ memories, embeddings, bytes }: StorageAmounts): StorageAmounts => ({
  memories: -memories,
  embeddings: -embeddings,
  bytes: -bytes,
});

function storedOf(account: StorageAccountDoc | undefined | null): StorageAmounts {
  if (!account) return NOTHING;
  const held = account.holds ?? [];
  const less = (resource: keyof StorageAmounts) =>
    account[resource] - held.reduce((sum, hold) => sum + hold[resource], 0);
  return { memories: less('memories'), embeddings: less('embeddings'), bytes: less('bytes') };
}

export function createStorage({ models, clock }: { models: Models; clock: Clock }): Storage {
  const accounts = models.storageAccounts;

  async function tryHold(tenantId: string, limits: StorageLimits, hold: StorageHold): Promise<boolean> {
    // Only a resource that is asked for can be short: a tenant that went down a tier may still store what is not full.
    const room = RESOURCES.filter((resource) => hold[resource] > 0).map((resource) => ({
      [resource]: { $lte: limitOf(limits, resource) - hold[resource] },
    }));
    const { memories, embeddings, bytes } = hold;
    const result = await accounts.updateOne(
      { _id: tenantId, $and: room },
      { $inc: { memories, embeddings, bytes }, $push: { holds: hold } },
    );
    return result.modifiedCount === 1;
  }

  async function whatIsShort(tenantId: string, limits: StorageLimits, amounts: StorageAmounts) {
    const account = await accounts.findById(tenantId).lean<StorageAccountDoc>();
    const total = account ?? NOTHING;
    const resource = RESOURCES.find((r) => amounts[r] > 0 && total[r] + amounts[r] > limitOf(limits, r));
    if (!resource) return null;
    return {
      granted: false as const,
      resource,
      limit: limitOf(limits, resource),
      usage: storedOf(account)[resource],
    };
  }

  async function makeAccount(tenantId: string): Promise<void> {
    await accounts.updateOne(
      { _id: tenantId },
      { $setOnInsert: { ...NOTHING, holds: [], dimensions: null } },
      { upsert: true },
    );
  }

  return {
    async hold(tenantId, limits, amounts) {
      const hold: StorageHold = { id: randomUUID(), at: new Date(clock.now()), ...amounts };
      for (;;) {
        if (await tryHold(tenantId, limits, hold)) return { granted: true, hold };
        const short = await whatIsShort(tenantId, limits, amounts);
        if (short) return short;
        // The account is new, or room came free in between.
        await makeAccount(tenantId);
      }
    },

    async release(tenantId, holdId) {
      const account = await accounts.findOne({ _id: tenantId, 'holds.id': holdId }).lean<StorageAccountDoc>();
      const hold = account?.holds.find(({ id }) => id === holdId);
      if (!hold) return;
      await accounts.updateOne(
        { _id: tenantId, 'holds.id': holdId },
        { $inc: { ...negative(hold) }, $pull: { holds: { id: holdId } } },
      );
    },

    async settle(tenantId, holdId, dimensions, session) {
      const settled = await accounts
        .findOneAndUpdate(
          {
            _id: tenantId,
            'holds.id': holdId,
            ...(dimensions === null ? {} : { dimensions: { $in: [null, dimensions] } }),
          },
          { $pull: { holds: { id: holdId } }, ...(dimensions === null ? {} : { $set: { dimensions } }) },
          { session, returnDocument: 'after' },
        )
        .lean<StorageAccountDoc>();
      if (settled) return storedOf(settled);
      const account = await accounts.findById(tenantId, null, { session }).lean<StorageAccountDoc>();
      if (!account?.holds.some(({ id }) => id === holdId))
        throw serviceUnavailable('The operation took too long and lost its hold on storage; try again');
      throw badInput(
        'input.embedding',
        `has ${dimensions} numbers, but this tenant's embeddings have ${account.dimensions}; all must be of one length`,
      );
    },

    async free(tenantId, amounts, session) {
      const less = (resource: keyof StorageAmounts) => ({ $subtract: [`$${resource}`, amounts[resource]] });
      await accounts.updateOne(
        { _id: tenantId },
        [
          { $set: { memories: less('memories'), embeddings: less('embeddings'), bytes: less('bytes') } },
          // With the last embedding goes the length that all must have.
          { $set: { dimensions: { $cond: [{ $eq: ['$embeddings', 0] }, null, '$dimensions'] } } },
        ],
        { session, updatePipeline: true },
      );
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
      const before = new Date(clock.now() - HOLD_MS);
      const accountsWithOld = await accounts
        .find({ 'holds.at': { $lt: before } })
        .limit(1000)
        .lean<StorageAccountDoc[]>();
      let ended = 0;
      for (const account of accountsWithOld) {
        for (const hold of account.holds.filter(({ at }) => at < before)) {
          await this.release(account._id, hold.id);
          ended++;
        }
      }
      return ended;
    },
  };
}
