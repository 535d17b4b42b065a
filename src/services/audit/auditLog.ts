import type { ClientSession } from 'mongoose';
import type { Clock } from '../../common/clock.js';
import { serviceUnavailable } from '../../common/errors.js';
import { groupBy } from '../../common/groups.js';
import type { AuditChainDoc, AuditEntryDoc, AuditPersonalValuesDoc } from '../../models/auditLog.js';
import type { Models } from '../../models/models.js';
import { chainOf, entryIdOf, FIRST_HASH, hashOf, idsOfChain } from './auditChain.js';
import { type AuditedFields, sealFields } from './auditedFields.js';
import type { Author } from './author.js';

/** A change, as the service that makes it describes it. */
export interface Change {
  /** The tenant in whose chain it is written; null: the operators' chain. */
  tenantId: string | null;
  /** `noun.verb` in the past, for example `key.revoked`. */
  action: `${string}.${string}`;
  /** null if there was nothing before. Only fields that a reader needs. Never a secret. */
  before: AuditedFields | null;
  /** null if nothing is left. */
  after: AuditedFields | null;
  /** Names of fields with personal data, which can be erased later. */
  personal?: readonly string[];
}

export type AuthoredChange = Change & { author: Author };

/** Writes entries in the transaction of the change, so that neither exists without the other. */
export interface AuditLog {
  /**
   * Appends entries to their chains. Call it last in the transaction: others that write to the same chain meanwhile
   * make one of the transactions start again. A change whose two states are the same is not written.
   * @param session of a transaction that is retried as a whole, like `change` does
   */
  append(session: ClientSession, changes: AuthoredChange | readonly AuthoredChange[]): Promise<void>;
  /**
   * Runs a change and writes what it notes, in one transaction.
   * @param author of what is noted without another
   * @param work may run several times, so it must not do anything outside the transaction. `note` writes an entry when
   *   `work` is done.
   * @returns what the run of `work` that was committed returned
   */
  change<T>(
    author: Author,
    work: (session: ClientSession, note: (change: Change & { author?: Author }) => void) => Promise<T>,
  ): Promise<T>;
  /** Deletes the values of personal fields. The entries stay, and show `[erased]`. */
  erasePersonalValues(tenantId: string): Promise<void>;
}

/** Conflicts of parallel changes are retried this long. */
const MAX_RETRY_MS = 20_000;

export function createAuditLog({ models, clock }: { models: Models; clock: Clock }): AuditLog {
  const collection = <T extends { _id: string }>(name: string) => models.connection.collection<T>(name);
  const chains = collection<AuditChainDoc>(models.auditChains.collection.name);
  const entries = collection<AuditEntryDoc>(models.auditEntries.collection.name);
  const personalValues = collection<AuditPersonalValuesDoc>(models.auditPersonalValues.collection.name);

  /** For each chain on which changes conflicted: ends when the last of them does. Has only chains of changes under way. */
  const conflicted = new Map<string, Promise<void>>();

  /** Queues a change that conflicted on all its chains at once, so that no two changes wait for each other. */
  function queue(chains: readonly string[]): { turn: Promise<unknown>; end: () => void } {
    const turn = Promise.all(chains.map((chain) => conflicted.get(chain)));
    let resolve: () => void = () => undefined;
    const own = new Promise<void>((ended) => {
      resolve = ended;
    });
    for (const chain of chains) conflicted.set(chain, own);
    const end = () => {
      resolve();
      for (const chain of chains) if (conflicted.get(chain) === own) conflicted.delete(chain);
    };
    return { turn, end };
  }

  /** @returns the entries of changes to one chain, and the chain's new end */
  function entriesOf(chain: string, head: AuditChainDoc | undefined, changes: readonly AuthoredChange[]) {
    // Clocks of instances differ a little. Times that never decrease let a range of times be found by index.
    const at = new Date(Math.max(clock.now(), head?.at.getTime() ?? 0));
    let { sequence, hash } = head ?? { sequence: 0, hash: FIRST_HASH };
    const docs: AuditEntryDoc[] = [];
    const personal: AuditPersonalValuesDoc[] = [];
    for (const change of changes) {
      sequence += 1;
      const before = sealFields(change.before, 'before', change.personal ?? []);
      const after = sealFields(change.after, 'after', change.personal ?? []);
      const { actor, requestId } = change.author;
      const _id = entryIdOf(chain, sequence);
      const { action } = change;
      const doc = { _id, chain, at, actor, action, before: before.text, after: after.text, requestId };
      hash = hashOf(doc, hash);
      docs.push({ ...doc, hash });
      const values = [...before.values, ...after.values];
      if (values.length > 0) personal.push({ _id, values });
    }
    // `$min` changes the oldest time only if retention had deleted all entries.
    const added = { $set: { sequence, hash, at }, $min: { oldestAt: at } };
    const document = { _id: chain, sequence, hash, at, oldestAt: at, checkpoint: null };
    const operation = head
      ? { updateOne: { filter: { _id: chain }, update: added } }
      : { insertOne: { document } };
    return { docs, personal, operation };
  }

  const append: AuditLog['append'] = async (session, changes) => {
    const changed = [changes].flat().filter((change) => !isNoChange(change));
    if (changed.length === 0) return;
    const byChain = groupBy(changed, ({ tenantId }) => chainOf(tenantId));
    const heads = await chains.find({ _id: { $in: [...byChain.keys()] } }, { session }).toArray();
    const headOf = new Map(heads.map((head) => [head._id, head]));
    const added = [...byChain].map(([chain, ofChain]) => entriesOf(chain, headOf.get(chain), ofChain));
    await chains.bulkWrite(
      added.map(({ operation }) => operation),
      { session },
    );
    await entries.insertMany(
      added.flatMap(({ docs }) => docs),
      { session },
    );
    const personal = added.flatMap((one) => one.personal);
    if (personal.length > 0) await personalValues.insertMany(personal, { session });
  };

  return {
    append,

    async change(author, work) {
      const deadline = performance.now() + MAX_RETRY_MS;
      let noted: AuthoredChange[] = [];
      let isQueued = false;
      let end: () => void = () => undefined;
      try {
        return await models.connection.transaction(async (session) => {
          // A run that failed says by its notes on which chains it may have conflicted. Changes of this instance that did
          // so on the same chain go on one by one: each would only make the others start again.
          if (noted.length > 0 && !isQueued) {
            const queued = queue([...new Set(noted.map(({ tenantId }) => chainOf(tenantId)))]);
            isQueued = true;
            end = queued.end;
            await queued.turn;
          }
          if (performance.now() > deadline)
            throw serviceUnavailable('Too many changes were made at the same time; try again shortly');
          noted = [];
          const result = await work(session, (change) => noted.push({ author, ...change }));
          await append(session, noted);
          return result;
        });
      } finally {
        end();
      }
    },

    async erasePersonalValues(tenantId) {
      await personalValues.deleteMany({ _id: idsOfChain(chainOf(tenantId)) });
    },
  };
}

const isNoChange = ({ before, after }: Change): boolean =>
  before !== null && JSON.stringify(before) === JSON.stringify(after);
