import type { Clock } from '../../../common/clock.js';
import type { AdmissionJournalDoc, JournalEntry } from '../../../models/admissionJournal.js';
import type { Models } from '../../../models/models.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';

export type { JournalEntry };

/** The journal of each generation: batches numbered without gaps, ended by a fence. */
export interface Journal {
  /** @returns false if a fence has the number. Repeating an insert whose answer was lost changes nothing. */
  append(generation: number, sequence: number, entries: readonly JournalEntry[]): Promise<boolean>;
  /** Ends the generation: the next insert of its instance collides with the fence. Fencing twice changes nothing. */
  fence(generation: number): Promise<void>;
  /** Reads the batches of a generation, in order. */
  read(generation: number): Promise<{ sequence: number; entries: JournalEntry[] }[]>;
  /** Deletes the batches before the given one. The last batch and the fence stay, since they show the next number. */
  trim(generation: number, before: number): Promise<void>;
}

const idOf = (generation: number, sequence: number): string =>
  `${String(generation).padStart(10, '0')}:${String(sequence).padStart(15, '0')}`;

const sequenceOf = (id: string): number => Number(id.slice(11));

/** @param deps.instance the id of this server */
export function createJournal(deps: { models: Models; clock: Clock; instance: string }): Journal {
  const { models, clock, instance } = deps;
  const journal = models.admissionJournal.collection;
  const range = (generation: number) =>
    ({ $gte: idOf(generation, 0), $lt: idOf(generation + 1, 0) }) as never;

  async function insert(doc: AdmissionJournalDoc): Promise<boolean> {
    try {
      await journal.insertOne(doc as never);
      return true;
    } catch (error) {
      if (isDuplicateKey(error)) return false;
      throw error;
    }
  }

  return {
    async append(generation, sequence, entries) {
      const _id = idOf(generation, sequence);
      if (await insert({ _id, instance, entries: [...entries] })) return true;
      const there = await journal.findOne(
        { _id: _id as never },
        { projection: { instance: 1, sealedAt: 1 } },
      );
      return there?.instance === instance && there.sealedAt === undefined;
    },

    async fence(generation) {
      for (;;) {
        const [last] = await journal
          .find({ _id: range(generation) })
          .sort({ _id: -1 })
          .limit(1)
          .toArray();
        if (last?.sealedAt) return;
        const next = last ? sequenceOf(String(last._id)) + 1 : 0;
        // A batch of the instance took the number first: try the next one.
        if (
          await insert({
            _id: idOf(generation, next),
            instance,
            entries: [],
            sealedAt: new Date(clock.now()),
          })
        )
          return;
      }
    },

    async read(generation) {
      const docs = await journal
        .find({ _id: range(generation), sealedAt: { $exists: false } })
        .sort({ _id: 1 })
        .toArray();
      return docs.map((doc) => ({
        sequence: sequenceOf(String(doc._id)),
        entries: doc.entries as JournalEntry[],
      }));
    },

    async trim(generation, before) {
      await journal.deleteMany({
        _id: { $gte: idOf(generation, 0), $lt: idOf(generation, before) } as never,
        sealedAt: { $exists: false },
      });
    },
  };
}
