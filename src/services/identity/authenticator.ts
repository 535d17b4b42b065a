import { hash, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Clock } from '../../clock.js';
import { BillingError, ErrorCode, unauthenticated } from '../../errors.js';
import type { ApiKeyDoc } from '../../models/apiKey.js';
import type { Models } from '../../models/models.js';
import { createFailureLimit } from './failureLimit.js';
import { keyIdOf, type ParsedKey, parseKey } from './keyFormat.js';
import { type SecretHash, secretMatches } from './keyHash.js';
import { ApiKeyScope, type Principal } from './principal.js';

/** Tells who a key belongs to. */
export interface Authenticator {
  /**
   * @param key as the client sent it
   * @param address of the client, for the limit on failures; null: not known, failures are limited by key alone
   * @throws UNAUTHENTICATED; RATE_LIMITED after too many failures of one key id or one address
   */
  authenticate(key: string, address: string | null): Promise<Principal>;
  /** Forgets what it verified of a key, after a revocation. */
  forget(keyId: string): void;
  forgetAll(): void;
}

interface VerifiedKey {
  /** SHA-256 of the whole key: the key itself is never kept. */
  digest: Buffer;
  /** What its secret was found to match. */
  stored: SecretHash;
  principal: Principal;
  untilMs: number;
}

const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 50_000;
const MAX_FAILURES_PER_KEY = 20;
const MAX_FAILURES_PER_ADDRESS = 200;

export function createAuthenticator(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  adminApiKeys: readonly string[];
}): Authenticator {
  const { models, clock, log } = deps;
  const adminDigests = deps.adminApiKeys.map(digestOf);
  const verified = new LRUCache<string, VerifiedKey>({ max: MAX_REMEMBERED });
  let forgets = 0;
  const verifying = new Map<string, Promise<Principal>>();
  const keyFailures = createFailureLimit(clock, MAX_FAILURES_PER_KEY);
  const addressFailures = createFailureLimit(clock, MAX_FAILURES_PER_ADDRESS);

  /** @param known what was verified of just this key before */
  async function verify(
    { keyId, secret }: ParsedKey,
    digest: Buffer,
    known: VerifiedKey | null,
  ): Promise<Principal | null> {
    const forgetsBefore = forgets;
    const doc = await models.apiKeys.findById(keyId).lean<ApiKeyDoc>();
    const now = clock.now();
    if (!doc || doc.revokedAt || (doc.expiresAt && doc.expiresAt.getTime() <= now)) return null;
    const stored = { salt: bytesOf(doc.salt), hash: bytesOf(doc.hash) };
    // The same secret matches the same hash again: to hash it anew would cost a busy server 20 ms a key and minute.
    const matches = (known && areSame(known.stored, stored)) || (await secretMatches(secret, stored));
    if (!matches) return null;
    const principal = principalOf(doc);
    const untilMs = Math.min(now + REMEMBER_MS, doc.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY);
    // What was forgotten meanwhile may be this key: it is then verified again at the next call.
    if (forgets === forgetsBefore) verified.set(keyId, { digest, stored, principal, untilMs });
    noteUse(keyId, now);
    return principal;
  }

  // At most once a minute and key: a verified key is remembered that long.
  function noteUse(keyId: string, now: number): void {
    models.apiKeys
      .updateOne({ _id: keyId }, { $max: { lastUsedAt: new Date(now) } })
      .catch((error: unknown) => log.warn({ err: error, keyId }, 'could not note the use of a key'));
  }

  function refuseGuessers(keyId: string, address: string | null): void {
    const addressWaitS = address === null ? 0 : addressFailures.retryAfterS(address);
    const waitS = Math.max(keyFailures.retryAfterS(keyId), addressWaitS);
    if (waitS === 0) return;
    throw new BillingError(
      ErrorCode.RATE_LIMITED,
      `Too many failed tries with a key; wait ${waitS} s`,
      { window: 'minute', remaining: 0, resetsAt: new Date(clock.now() + waitS * 1000).toISOString() },
      { 'retry-after': String(waitS) },
    );
  }

  /** @param known what was verified of just this key before: its owner does not suffer from guessers */
  async function verifyOnce(
    parsed: ParsedKey,
    digest: Buffer,
    address: string | null,
    known: VerifiedKey | null,
  ): Promise<Principal> {
    if (!known) refuseGuessers(parsed.keyId, address);
    const principal = await verify(parsed, digest, known);
    if (principal) return principal;
    keyFailures.add(parsed.keyId);
    if (address !== null) addressFailures.add(address);
    throw unauthenticated('The API key is wrong, expired or revoked');
  }

  return {
    async authenticate(key, address) {
      const digest = digestOf(key);
      if (adminDigests.some((admin) => timingSafeEqual(digest, admin))) return { kind: 'operator' };
      const remembered = verified.get(keyIdOf(key));
      const known = remembered && timingSafeEqual(remembered.digest, digest) ? remembered : null;
      if (known && known.untilMs > clock.now()) return known.principal;
      const parsed = parseKey(key);
      if (!parsed) throw unauthenticated('The API key is malformed: check that it was copied whole');
      // Who comes after a revocation shares no verification that began before it.
      const flight = `${digest.toString('base64')}:${forgets}`;
      let running = verifying.get(flight);
      if (!running) {
        running = verifyOnce(parsed, digest, address, known).finally(() => verifying.delete(flight));
        verifying.set(flight, running);
      }
      return running;
    },
    forget(keyId) {
      forgets++;
      verified.delete(keyId);
    },
    forgetAll() {
      forgets++;
      verified.clear();
    },
  };
}

function digestOf(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

const areSame = (a: SecretHash, b: SecretHash): boolean => a.salt.equals(b.salt) && a.hash.equals(b.hash);

function principalOf({ _id: keyId, tenantId, scopes }: ApiKeyDoc): Principal {
  if (tenantId !== null) return { kind: 'tenant', tenantId, keyId, scopes: new Set(scopes) };
  return scopes.includes(ApiKeyScope.ENFORCE) ? { kind: 'service' } : { kind: 'operator' };
}

/** Lean reads give BSON binaries, not Buffers. */
function bytesOf(value: Buffer | { buffer: Uint8Array }): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer);
}
