import type * as mongo from 'mongodb';
import { noSuch } from '../http/errors.js';
import type { Collections } from './collections.js';
import type { ObjectDocument, Refs } from './documents.js';

/** What a kind of object is called in the database and in messages, and the prefix of its ids. */
export interface Kind<Body, Hidden = null> {
  object: string;
  prefix: string;
  /** Recomputed from the body at every save. */
  refs(body: Body, hidden: Hidden): Refs;
  /** When the object changes by itself, in seconds. */
  dueAt?(body: Body, hidden: Hidden): number | null;
}

export type Stored<Body, Hidden = null> = ObjectDocument<Body, Hidden>;

/** Reads and writes inside one transaction, or reads outside of any. */
export interface Tx {
  session: mongo.ClientSession | undefined;
  collections: Collections;
  /** @returns null when there is none, or when it was deleted */
  find<Body, Hidden>(kind: Kind<Body, Hidden>, id: string): Promise<Stored<Body, Hidden> | null>;
  /** @throws MockStripeError when there is no such object; `param` says which parameter named it */
  get<Body, Hidden>(kind: Kind<Body, Hidden>, id: string, param?: string): Promise<Stored<Body, Hidden>>;
  insert<Body extends { created: number }, Hidden>(
    kind: Kind<Body, Hidden>,
    id: string,
    body: Body,
    hidden: Hidden,
  ): Promise<Stored<Body, Hidden>>;
  save<Body, Hidden>(kind: Kind<Body, Hidden>, stored: Stored<Body, Hidden>): Promise<void>;
  list<Body, Hidden>(
    kind: Kind<Body, Hidden>,
    filter: mongo.Filter<ObjectDocument>,
    limit: number,
  ): Promise<Stored<Body, Hidden>[]>;
}

export interface Store {
  collections: Collections;
  nextSequence(): number;
  /** Reads of what is committed. */
  read: Tx;
  /** Runs `work` again from its beginning when another transaction was in its way. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
}

export function createStore(client: mongo.MongoClient, collections: Collections): Store {
  const nextSequence = createSequence();
  const open = (session: mongo.ClientSession | undefined) => createTx(collections, session, nextSequence);
  return {
    collections,
    nextSequence,
    read: open(undefined),
    async transaction(work) {
      const session = client.startSession();
      try {
        return await session.withTransaction(() => work(open(session)), {
          readConcern: { level: 'snapshot' },
          writeConcern: { w: 'majority' },
        });
      } finally {
        await session.endSession();
      }
    },
  };
}

function createTx(
  collections: Collections,
  session: mongo.ClientSession | undefined,
  nextSequence: () => number,
): Tx {
  const { objects } = collections;
  const options = session ? { session } : {};

  // One object's body and hidden part have the type of its kind: only `insert` and `save` write them.
  async function find<Body, Hidden>(kind: Kind<Body, Hidden>, id: string) {
    const found = await objects.findOne(
      { _id: id, object: kind.object, deleted: { $exists: false } },
      options,
    );
    return found as Stored<Body, Hidden> | null;
  }

  return {
    session,
    collections,
    find,
    async get(kind, id, param) {
      const found = await find(kind, id);
      if (!found) throw noSuch(kind.object, id, param);
      return found;
    },
    async insert(kind, id, body, hidden) {
      const stored: Stored<typeof body, typeof hidden> = {
        _id: id,
        object: kind.object,
        created: body.created,
        seq: nextSequence(),
        refs: kind.refs(body, hidden),
        dueAt: kind.dueAt?.(body, hidden) ?? null,
        body,
        hidden,
      };
      await objects.insertOne(stored, options);
      return stored;
    },
    async save(kind, stored) {
      const { body, hidden } = stored;
      stored.refs = kind.refs(body, hidden);
      stored.dueAt = kind.dueAt?.(body, hidden) ?? null;
      await objects.replaceOne({ _id: stored._id }, stored as ObjectDocument, options);
    },
    async list<Body, Hidden>(kind: Kind<Body, Hidden>, filter: mongo.Filter<ObjectDocument>, limit: number) {
      const found = await objects
        .find({ ...filter, object: kind.object, deleted: { $exists: false } }, options)
        .sort({ created: -1, seq: -1 })
        .limit(limit)
        .toArray();
      return found as Stored<Body, Hidden>[];
    },
  };
}

/**
 * Numbers that rise in order of creation: microseconds of the wall clock, never the same twice in a process.
 * A counter in the database would make every two transactions conflict.
 */
function createSequence(): () => number {
  let last = 0;
  return () => {
    last = Math.max(last + 1, Date.now() * 1000);
    return last;
  };
}

const DUPLICATE_KEY = 11_000;

/** Whether MongoDB rejected a write because a document with this key exists. */
export const isDuplicateKey = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === DUPLICATE_KEY;
