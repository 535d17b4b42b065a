import type { EventBody } from '../wire.js';

/** Fields that lists filter by, in addition to those of `body`; absent where the kind has none. */
export interface Refs {
  customer?: string;
  subscription?: string;
  email?: string;
  product?: string;
  status?: string;
  prices?: string[];
  lookupKey?: string;
  eventName?: string;
  active?: boolean;
}

/** One Stripe object: `body` is what the API answers, the rest is the mock's own. */
export interface ObjectDocument<Body = unknown, Hidden = unknown> {
  _id: string;
  object: string;
  /** Seconds of the mock's clock. */
  created: number;
  /** Breaks ties within a second, rising in order of creation. */
  seq: number;
  refs: Refs;
  /** When the object changes by itself, seconds of the mock's clock. */
  dueAt: number | null;
  body: Body;
  /** State that Stripe keeps to itself. */
  hidden: Hidden;
  deleted?: true;
}

export interface EventDocument {
  _id: string;
  created: number;
  seq: number;
  type: string;
  /** Of the object that it is about; absent where there is none. */
  customer?: string;
  body: EventBody;
  delivery: {
    state: 'pending' | 'delivered' | 'failed';
    attempts: number;
    /** A claim postpones the next attempt by the lease, so that a crashed delivery is retried. */
    nextAttemptAt: Date;
    lastError: string | null;
  };
}

export interface StoredAnswer {
  status: number;
  body: string;
  headers: Record<string, string>;
}

export interface RequestDocument {
  _id: string;
  /** Digest of method, path and parameters. */
  fingerprint: string;
  answer: StoredAnswer | null;
  createdAt: Date;
}

export interface SettingDocument {
  _id: string;
  /** How far the mock's clock is ahead of the machine's. */
  offsetMs: number;
  /** How far it is to be once everything due has happened. */
  targetOffsetMs: number;
}
