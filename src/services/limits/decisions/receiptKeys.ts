import { randomBytes } from 'node:crypto';
import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { Clock } from '../../../common/clock.js';
import { isDuplicateKey } from '../../infrastructure/databaseErrors.js';

/** What receipts are signed with: one key for all instances on a database, replaced every 30 days. */
export interface ReceiptKeys {
  /** The key that signs now. */
  current(): ReceiptKey;
  /** The key with that id, if receipts of it are still accepted. */
  find(id: string): Promise<ReceiptKey | null>;
  start(): Promise<void>;
  stop(): void;
}

export interface ReceiptKey {
  id: string;
  /** Base64. */
  secret: string;
}

interface KeysDoc {
  _id: string;
  current: ReceiptKey;
  /** Accepted until the next replacement. */
  previous: ReceiptKey | null;
  replacedAt: Date;
}

const ID = 'receiptKeys';
const REPLACE_AFTER_MS = 30 * 86_400_000;
const RELOAD_MS = 60_000;
/** Minimum time between two reads for an unknown key id, so that forged ids do not cost one read each. */
const LOOK_AGAIN_MS = 1_000;

export function createReceiptKeys(deps: { connection: Connection; clock: Clock; log: Logger }): ReceiptKeys {
  const { connection, clock, log } = deps;
  const settings = connection.collection<KeysDoc>('settings');
  let keys: Pick<KeysDoc, 'current' | 'previous'> | null = null;
  let timer: NodeJS.Timeout | undefined;
  let loadedAtMs = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | null = null;

  async function load(): Promise<void> {
    const stored = await settings.findOne({ _id: ID });
    keys =
      stored && clock.now() - stored.replacedAt.getTime() < REPLACE_AFTER_MS ? stored : await replace(stored);
    loadedAtMs = performance.now();
  }

  /** Only one of several instances replaces a key; the others take what it made. */
  async function replace(old: KeysDoc | null): Promise<KeysDoc> {
    const fresh = {
      current: { id: randomBytes(6).toString('base64url'), secret: randomBytes(32).toString('base64') },
      previous: old?.current ?? null,
      replacedAt: new Date(clock.now()),
    };
    try {
      await settings.updateOne(
        { _id: ID, ...(old && { 'current.id': old.current.id }) },
        old ? { $set: fresh } : { $setOnInsert: fresh },
        { upsert: !old },
      );
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
    }
    const stored = await settings.findOne({ _id: ID });
    if (!stored) throw new Error('The keys of receipts were not stored');
    return stored;
  }

  const known = (id: string) => [keys?.current, keys?.previous].find((key) => key?.id === id) ?? null;

  async function reload(): Promise<void> {
    loading ??= load().finally(() => {
      loading = null;
    });
    await loading;
  }

  return {
    current() {
      if (!keys) throw new Error('The keys of receipts are not loaded yet');
      return keys.current;
    },
    async find(id) {
      const found = known(id);
      if (found || performance.now() - loadedAtMs < LOOK_AGAIN_MS) return found;
      await reload();
      return known(id);
    },
    async start() {
      await reload();
      timer = setInterval(() => {
        reload().catch((error: unknown) => log.warn({ err: error }, 'receipts.keys_not_loaded'));
      }, RELOAD_MS).unref();
    },
    stop: () => clearInterval(timer),
  };
}
