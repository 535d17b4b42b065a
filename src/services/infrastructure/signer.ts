import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { isDuplicateKey } from './databaseErrors.js';

/**
 * Signs what a client keeps and sends back. Each purpose has its own key, so a text that was signed for one is not
 * accepted for another. All instances on a database share the key, which is replaced every 30 days.
 */
export interface Signer {
  sign(content: unknown): string;
  /** @returns the content; null unless this signer signed it in the last 30 days */
  read(text: string): Promise<unknown>;
  start(): Promise<void>;
  stop(): void;
}

interface StoredKey {
  id: string;
  /** Base64. */
  secret: string;
}

interface SigningKey {
  id: string;
  /** Made once: decoding the secret for each signature would take as long as signing. */
  secret: KeyObject;
}

interface KeysDoc {
  /** The purpose. */
  _id: string;
  current: StoredKey;
  /** Accepted until the next replacement. */
  previous: StoredKey | null;
  replacedAt: Date;
}

const REPLACE_AFTER_MS = 30 * 86_400_000;
const RELOAD_MS = 60_000;
const READ_MS = 2_000;
/** Minimum time between two reads for an unknown key id, so that forged ids do not cost one read each. */
const LOOK_AGAIN_MS = 1_000;
const FORM = /^v1\.([\w-]{1,20})\.([\w-]+)\.([\w-]{43})$/;

/** @param deps.purpose the name of the keys in `settings` */
export function createSigner(deps: {
  connection: Connection;
  clock: Clock;
  log: Logger;
  purpose: string;
  maxLength: number;
}): Signer {
  const { connection, clock, log, purpose: _id, maxLength } = deps;
  const settings = connection.collection<KeysDoc>('settings');
  let keys: { current: SigningKey; previous: SigningKey | null } | null = null;
  let timer: NodeJS.Timeout | undefined;
  let loadedAtMs = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | null = null;

  async function load(): Promise<void> {
    const stored = await settings.findOne({ _id });
    const { current, previous } =
      stored && clock.now() - stored.replacedAt.getTime() < REPLACE_AFTER_MS ? stored : await replace(stored);
    keys = { current: signingKey(current), previous: previous && signingKey(previous) };
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
        { _id, ...(old && { 'current.id': old.current.id }) },
        old ? { $set: fresh } : { $setOnInsert: fresh },
        { upsert: !old },
      );
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
    }
    // What is signed with a key must outlive a failover: this waits until a majority has it.
    const stored = await settings.findOne(
      { _id },
      { readConcern: { level: 'linearizable' }, timeoutMS: READ_MS },
    );
    if (!stored) throw new Error(`The signing keys ${_id} were not stored`);
    return stored;
  }

  async function reload(): Promise<void> {
    loading ??= load().finally(() => {
      loading = null;
    });
    await loading;
  }

  const known = (id: string) => [keys?.current, keys?.previous].find((key) => key?.id === id) ?? null;

  /** An instance may have signed with a key that this one has not read yet. */
  async function find(id: string): Promise<SigningKey | null> {
    const found = known(id);
    if (found || performance.now() - loadedAtMs < LOOK_AGAIN_MS) return found;
    await reload();
    return known(id);
  }

  return {
    sign(content) {
      if (!keys) throw new Error(`The signing keys ${_id} are not loaded yet`);
      const { current } = keys;
      const signed = `v1.${current.id}.${Buffer.from(JSON.stringify(content)).toString('base64url')}`;
      return `${signed}.${signatureOf(signed, current).toString('base64url')}`;
    },

    async read(text) {
      const [, keyId = '', payload = '', signature = ''] =
        (text.length <= maxLength && FORM.exec(text)) || [];
      const key = keyId ? await find(keyId) : null;
      if (!key) return null;
      const given = Buffer.from(signature, 'base64url');
      const due = signatureOf(text.slice(0, text.lastIndexOf('.')), key);
      if (given.length !== due.length || !timingSafeEqual(given, due)) return null;
      return JSON.parse(Buffer.from(payload, 'base64url').toString());
    },

    async start() {
      await reload();
      timer = setInterval(() => {
        reload().catch((error: unknown) => log.warn({ err: error, purpose: _id }, 'signer.keys_not_loaded'));
      }, RELOAD_MS).unref();
    },
    stop: () => clearInterval(timer),
  };
}

const signingKey = ({ id, secret }: StoredKey): SigningKey => ({
  id,
  secret: createSecretKey(secret, 'base64'),
});

const signatureOf = (signed: string, { secret }: SigningKey): Buffer =>
  createHmac('sha256', secret).update(signed).digest();
