import type { Clock } from '../../../common/clock.js';
import type { AdmissionJournalDoc, JournalEntry } from '../../../models/admissionJournal.js';
import type { Models } from '../../../models/models.js';

export type { JournalEntry };

/** The journal of one generation: batches without a gap, and at last a seal. */
export interface Journal {
  /** @returns false when the place is taken by a seal. Repeating an insert whose answer was lost changes nothing. */
  append(generation: number, sequence: number, entries: readonly JournalEntry[]): Promise<boolean>;
  /** Ends the generation: whatever its instance inserts next collides. Sealing twice changes nothing. */
  fence(generation: number): Promise<void>;
  /** The batches of an generation, in order. */
  read(generation: number): Promise<{ sequence: number; entries: JournalEntry[] }[]>;
  /** Drops batches before the given one; the last batch and the seal stay, for they tell which number is next. */
  trim(generation: number, before: number): Promise<void>;
}

const DUPLICATE_KEY = 11_000;

const idOf = (generation: number, sequence: number): string =>
  `${String(generation).padStart(10, '0')}:${String(sequence).padStart(15, '0')}`;

const sequenceOf = (id: string): number => Number(id.slice(11));

/** @param instance of this server */
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
      if ((error as { code?: unknown }).code === DUPLICATE_KEY) return false;
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
        // Lost against a batch of the instance: the place after it is tried.
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
