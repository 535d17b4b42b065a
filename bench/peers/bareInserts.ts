import { measuredAtPace } from '../load/pace.js';
import { type Contestant, measuredOf } from '../rounds.js';

/** Where an insert goes. */
interface Collection {
  insertOne(doc: object): Promise<unknown>;
}

/** What MongoDB itself takes for what must be on disk: the same documents, each by a statement of its own. */
const BARE_INSERTS = 'MongoDB, an insert for each';

/** As many as so many clients get done. @param docsFor one for each insert of a round */
export function bareInserts(
  collection: Collection,
  clients: number,
  docsFor: (seconds: number) => object[],
): Contestant {
  return {
    name: BARE_INSERTS,
    async round(seconds) {
      const docs = docsFor(seconds);
      const tookMs: number[] = [];
      const startedMs = performance.now();
      let next = 0;
      async function client(): Promise<void> {
        while (next < docs.length) {
          const sentMs = performance.now();
          await collection.insertOne(docs[next++] as object);
          tookMs.push(performance.now() - sentMs);
        }
      }
      await Promise.all(Array.from({ length: clients }, client));
      return measuredOf(tookMs, (performance.now() - startedMs) / 1000);
    },
  };
}

/** So many a second, however long they take: nothing that is stored is answered faster on this machine. */
export function bareInsertsAtPace(
  collection: Collection,
  perSecond: number,
  docsFor: (seconds: number) => object[],
): Contestant {
  return {
    name: BARE_INSERTS,
    round(seconds) {
      const docs = docsFor(seconds);
      return measuredAtPace(perSecond, seconds, (n) => collection.insertOne(docs[n] as object));
    },
  };
}
