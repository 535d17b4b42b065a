import type { AuditChainDoc, AuditEntryDoc, AuditPersonalValuesDoc } from '../../models/auditLog.js';
import type { Models } from '../../models/models.js';
import { entryIdOf, FIRST_HASH, hashOf, idsOfChain, sequenceOf } from './auditChain.js';
import { matchesDigest } from './auditedFields.js';

/** The end of a chain. Kept outside the database, it proves later that nothing up to it was changed or cut off. */
export interface ChainHead {
  chain: string;
  sequence: number;
  hash: string;
}

export interface ChainReport extends ChainHead {
  /** How many entries were compared with their hashes. */
  verified: number;
  /** The first that were found, with the id of the entry. */
  problems: { entry: string; problem: string }[];
}

/** Compares entries with their hashes. It reads pages, so it needs little memory whatever the size of a chain. */
export interface AuditVerification {
  /** All chains in order, also those of which only entries are left. */
  chains(): AsyncIterable<string>;
  /** @param onPage receives how many entries were compared so far */
  verify(chain: string, onPage?: (verified: number) => void): Promise<ChainReport>;
  /** @returns what is wrong about a chain whose end was kept; null if nothing is */
  compare(expected: ChainHead): Promise<string | null>;
}

const PAGE = 500;
const MAX_PROBLEMS = 20;

export function createAuditVerification(models: Models): AuditVerification {
  const collection = <T extends { _id: string }>(name: string) => models.connection.collection<T>(name);
  const heads = collection<AuditChainDoc>(models.auditChains.collection.name);
  const entries = collection<AuditEntryDoc>(models.auditEntries.collection.name);
  const personalValues = collection<AuditPersonalValuesDoc>(models.auditPersonalValues.collection.name);

  async function* chains(): AsyncIterable<string> {
    for (let last = ''; ; ) {
      const [head, entry] = await Promise.all([
        heads.findOne({ _id: { $gt: last } }, { sort: { _id: 1 }, projection: { _id: 1 } }),
        entries.findOne({ chain: { $gt: last } }, { sort: { chain: 1 }, projection: { chain: 1 } }),
      ]);
      const [next] = [head?._id, entry?.chain].filter((chain) => chain !== undefined).toSorted();
      if (next === undefined) return;
      yield next;
      last = next;
    }
  }

  async function verifyOnce(
    chain: string,
    head: AuditChainDoc | null,
    onPage: (verified: number) => void,
  ): Promise<ChainReport> {
    const { sequence = 0, hash = FIRST_HASH, checkpoint = null } = head ?? {};
    const report: ChainReport = { chain, sequence, hash, verified: 0, problems: [] };
    const found = (entry: string, problem: string) => {
      if (report.problems.length < MAX_PROBLEMS) report.problems.push({ entry, problem });
    };
    if (!head) found(chain, 'the end of the chain was removed');
    let last = checkpoint ?? { sequence: 0, hash: FIRST_HASH };
    for (;;) {
      const after = entryIdOf(chain, last.sequence);
      const page = await entries
        .find({ _id: { ...idsOfChain(chain), $gt: after } })
        .sort({ _id: 1 })
        .limit(PAGE)
        .toArray();
      // Entries that were appended meanwhile are for the next run.
      const known = head ? page.filter(({ _id }) => sequenceOf(_id) <= sequence) : page;
      const intact = new Map<string, AuditEntryDoc>();
      for (const entry of known) {
        const next = { sequence: sequenceOf(entry._id), hash: entry.hash };
        if (next.sequence !== last.sequence + 1) {
          found(entryIdOf(chain, last.sequence + 1), `missing, and all up to the one before ${entry._id}`);
        } else if (entry.chain !== chain || hashOf(entry, last.hash) !== entry.hash) {
          found(entry._id, 'changed: its hash does not match');
        } else intact.set(entry._id, entry);
        last = next;
        report.verified += 1;
      }
      const values = personalValues.find({ _id: { $in: [...intact.keys()] } });
      for await (const { _id, values: kept } of values) {
        const entry = intact.get(_id) as AuditEntryDoc;
        const changed = kept.find((value) => !matchesDigest(entry, value));
        if (changed) found(_id, `changed: the personal value of ${changed.side}.${changed.field}`);
      }
      onPage(report.verified);
      if (known.length < PAGE) break;
    }
    if (head && last.sequence < sequence)
      found(entryIdOf(chain, last.sequence + 1), `missing, and all up to ${entryIdOf(chain, sequence)}`);
    else if (head && last.hash !== hash)
      found(entryIdOf(chain, sequence), 'the end of the chain was changed');
    return report;
  }

  const headOf = (chain: string) => heads.findOne({ _id: chain });

  /** @returns a problem if there are entries after the end of the chain */
  async function unendedProblem(chain: string): Promise<ChainReport['problems']> {
    const newest = await entries.findOne({ _id: idsOfChain(chain) }, { sort: { _id: -1 } });
    const head = await headOf(chain);
    if (!newest || !head || sequenceOf(newest._id) <= head.sequence) return [];
    return [{ entry: newest._id, problem: 'after the end of the chain, which was changed' }];
  }

  return {
    chains,

    async verify(chain, onPage = () => undefined) {
      for (;;) {
        const head = await headOf(chain);
        const report = await verifyOnce(chain, head, onPage);
        // Retention may have deleted entries while they were read.
        const now = await headOf(chain);
        const isSame = now?.checkpoint?.sequence === head?.checkpoint?.sequence;
        if (isSame || report.problems.length === 0)
          return { ...report, problems: [...report.problems, ...(await unendedProblem(chain))] };
      }
    },

    async compare({ chain, sequence, hash }) {
      const [head, entry] = await Promise.all([
        headOf(chain),
        entries.findOne({ _id: entryIdOf(chain, sequence) }),
      ]);
      if (!head) return 'the chain was removed';
      if (sequence > head.sequence) return `it ended at ${sequence}, and now ends at ${head.sequence}`;
      const { checkpoint } = head;
      if (checkpoint && sequence < checkpoint.sequence) return null;
      const now = checkpoint?.sequence === sequence ? checkpoint.hash : entry?.hash;
      return now === hash ? null : `its entry ${sequence} has another hash than before`;
    },
  };
}
