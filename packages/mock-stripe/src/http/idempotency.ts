import { createHash } from 'node:crypto';
import type { StoredAnswer } from '../storage/documents.js';
import type { Store, Tx } from '../storage/store.js';
import { isDuplicateKey } from '../storage/store.js';
import { idempotencyMismatch } from './errors.js';

export interface Idempotency {
  /**
   * Runs `work` once for a key. Its answer is written in the work's own transaction, so that either both are there
   * or neither; later requests with the key get that answer.
   * @throws MockStripeError (400) when the key was used for another request
   */
  once(key: string, fingerprint: string, work: (tx: Tx) => Promise<StoredAnswer>): Promise<StoredAnswer>;
  /** Keeps a failure, which has no transaction, under its key. */
  remember(key: string, fingerprint: string, answer: StoredAnswer): Promise<void>;
}

export const fingerprintOf = (method: string, path: string, body: string): string =>
  createHash('sha256').update(`${method} ${path}\n${body}`).digest('base64url');

export function createIdempotency(store: Store): Idempotency {
  const { requests } = store.collections;
  // Requests of this process with the same key take turns, instead of colliding in the database.
  const turns = new Map<string, Promise<unknown>>();

  async function replay(key: string, fingerprint: string): Promise<StoredAnswer | null> {
    const found = await requests.findOne({ _id: key });
    if (!found) return null;
    if (found.fingerprint !== fingerprint) throw idempotencyMismatch(key);
    return (
      found.answer && { ...found.answer, headers: { ...found.answer.headers, 'Idempotent-Replayed': 'true' } }
    );
  }

  async function run(key: string, fingerprint: string, work: (tx: Tx) => Promise<StoredAnswer>) {
    const earlier = await replay(key, fingerprint);
    if (earlier) return earlier;
    try {
      return await store.transaction(async (tx) => {
        const options = tx.session ? { session: tx.session } : {};
        await requests.insertOne({ _id: key, fingerprint, answer: null, createdAt: new Date() }, options);
        const answer = await work(tx);
        await requests.updateOne({ _id: key }, { $set: { answer } }, options);
        return answer;
      });
    } catch (error) {
      // Another instance was first: its answer is there now.
      if (!isDuplicateKey(error)) throw error;
      const answer = await replay(key, fingerprint);
      if (!answer) throw error;
      return answer;
    }
  }

  return {
    async once(key, fingerprint, work) {
      const before = turns.get(key) ?? Promise.resolve();
      const mine = before.then(() => run(key, fingerprint, work));
      const settled = mine.catch(() => undefined);
      turns.set(key, settled);
      try {
        return await mine;
      } finally {
        if (turns.get(key) === settled) turns.delete(key);
      }
    },
    async remember(key, fingerprint, answer) {
      const failure = { fingerprint, answer, createdAt: new Date() };
      await requests.updateOne({ _id: key }, { $setOnInsert: failure }, { upsert: true });
    },
  };
}
