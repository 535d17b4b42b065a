import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { AuditChainDoc, AuditEntryDoc, AuditPersonalValuesDoc } from '../../models/auditLog.js';
import type { Models } from '../../models/models.js';
import type { Lease } from '../infrastructure/lease.js';
import { createLeasedPasses, type LeasedPasses } from '../infrastructure/leasedPasses.js';
import { idsOfChain, NO_ENTRIES, sequenceOf } from './auditChain.js';

/** Deletes old entries, once an hour. A pass returns how many it deleted. */
export type AuditRetention = LeasedPasses<number>;

const DAY_MS = 86_400_000;
const EVERY_MS = 3_600_000;
const CHAINS_PAGE = 100;
const ENTRIES_PAGE = 1_000;

/** @param deps.retentionDays null: entries are kept forever */
export function createAuditRetention(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  lease: Lease;
  retentionDays: number | null;
}): AuditRetention {
  const { models, clock, log, lease, retentionDays } = deps;
  const collection = <T extends { _id: string }>(name: string) => models.connection.collection<T>(name);
  const chains = collection<AuditChainDoc>(models.auditChains.collection.name);
  const entries = collection<AuditEntryDoc>(models.auditEntries.collection.name);
  const personalValues = collection<AuditPersonalValuesDoc>(models.auditPersonalValues.collection.name);
  const passes = createLeasedPasses({
    lease,
    everyMs: EVERY_MS,
    log,
    failedEvent: 'audit.expiry_failed',
    pass,
  });

  /**
   * Deletes one page of a chain's oldest entries. The checkpoint comes first: the chain can be verified whatever is
   * deleted when the process dies, and the next pass deletes the rest.
   */
  async function trim({ _id: chain, checkpoint }: AuditChainDoc, before: Date): Promise<number> {
    const old = await entries
      .find({ chain, at: { $lt: before } }, { projection: { hash: 1 } })
      .sort({ at: 1, _id: 1 })
      .limit(ENTRIES_PAGE)
      .toArray();
    const last = old.at(-1);
    if (last && sequenceOf(last._id) > (checkpoint?.sequence ?? 0)) {
      const to = { sequence: sequenceOf(last._id), hash: last.hash };
      await chains.updateOne({ _id: chain }, { $set: { checkpoint: to } });
    }
    if (last) {
      const upToLast = { $gte: idsOfChain(chain).$gte, $lte: last._id };
      await personalValues.deleteMany({ _id: upToLast });
      await entries.deleteMany({ _id: upToLast });
    }
    await noteOldest(chain);
    return old.length;
  }

  async function noteOldest(chain: string): Promise<void> {
    const head = await chains.findOne({ _id: chain });
    const oldest = await entries.findOne({ _id: idsOfChain(chain) }, { sort: { _id: 1 } });
    if (oldest) await chains.updateOne({ _id: chain }, { $set: { oldestAt: oldest.at } });
    // An entry that is appended meanwhile sets it itself.
    else if (head)
      await chains.updateOne({ _id: chain, sequence: head.sequence }, { $set: { oldestAt: NO_ENTRIES } });
  }

  async function pass(): Promise<number> {
    if (retentionDays === null) return 0;
    const before = new Date(clock.now() - retentionDays * DAY_MS);
    let deleted = 0;
    while (await passes.mayGoOn()) {
      const due = await chains
        .find({ oldestAt: { $lt: before } })
        .sort({ oldestAt: 1 })
        .limit(CHAINS_PAGE)
        .toArray();
      for (const chain of due) if (!passes.isStopping()) deleted += await trim(chain, before);
      if (due.length === 0) break;
    }
    if (deleted > 0) log.info({ deleted, before }, 'audit.expired');
    return deleted;
  }

  return passes;
}
