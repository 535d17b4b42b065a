import { hash, timingSafeEqual } from 'node:crypto';
import {
  ApiKeyScope,
  isJwt,
  isTenantToken,
  keyIdOf,
  type ParsedKey,
  parseKey,
} from '@continuum-billing/limits/core';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { unauthenticated } from '../../common/errors.js';
import type { ApiKeyDoc } from '../../models/apiKey.js';
import type { Models } from '../../models/models.js';
import { createLoadingCache } from '../infrastructure/loadingCache.js';
import type { GuessLimit } from './guessLimit.js';
import type { JwtAuthenticator } from './jwt.js';
import { createKeyReader } from './keyReader.js';
import { type SecretHash, secretMatches, tagMatches } from './keySecret.js';
import { type OperatorPrincipal, OperatorRole, type Principal } from './principal.js';
import type { TenantDirectory } from './tenantDirectory.js';
import type { TenantTokens } from './tenantTokens.js';
import type { WorkQueue } from './workQueue.js';

/** Finds out who a caller is, by its API key or token. */
export interface Authenticator {
  /**
   * @param credential as the client sent it
   * @param address the client's, by which wrong credentials are limited; null if unknown: keys are limited by key id alone
   * @throws UNAUTHENTICATED; RATE_LIMITED for a wrong one after too many of one key id or one address, never for a
   *   right one; SERVICE_UNAVAILABLE while too many keys are being verified
   */
  authenticate(credential: string, address: string | null): Promise<Principal>;
  /**
   * When a stored key ends, with which everything ends that was made with it: in milliseconds since the Unix epoch; 0 if
   * the key is revoked or deleted. Remembered for a minute.
   */
  endOf(keyId: string): Promise<number>;
  /** Forgets a verified key, after a revocation. */
  forget(keyId: string): void;
  forgetAll(): void;
}

interface VerifiedKey {
  /** SHA-256 of the whole key. The key itself is not kept. */
  digest: Buffer;
  /** The stored hash that its secret matched. */
  stored: SecretHash;
  principal: Principal;
  untilMs: number;
}

const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 50_000;

export function createAuthenticator(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  adminApiKeys: readonly string[];
  guesses: GuessLimit;
  keyHashes: WorkQueue;
  /** null if no JWTs are accepted. */
  jwt: JwtAuthenticator | null;
  tenantDirectory: TenantDirectory;
  tenantTokens: TenantTokens;
}): Authenticator {
  const { models, clock, log, guesses, keyHashes, jwt, tenantDirectory, tenantTokens } = deps;
  const adminDigests = deps.adminApiKeys.map(digestOf);
  const readKey = createKeyReader(deps);
  const verified = new LRUCache<string, VerifiedKey>({ max: MAX_REMEMBERED });
  const ends = createLoadingCache<number>({
    clock,
    maxEntries: MAX_REMEMBERED,
    async load(keyId) {
      const key = await readKey(keyId);
      return !key || key.revokedAt ? 0 : (key.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY);
    },
    validUntil: (_, now) => now + REMEMBER_MS,
  });
  let forgets = 0;
  const verifying = new Map<string, Promise<Principal>>();

  /** The tag rejects a wrong secret at once; only a secret whose tag matches is hashed. */
  async function matches(secret: string, stored: ApiKeyDoc, address: string | null): Promise<boolean> {
    if (tagMatches(secret, stored) && (await keyHashes.run(() => secretMatches(secret, stored)))) return true;
    guesses.count({ keyId: stored._id, address });
    return false;
  }

  /** @param known an earlier verification of exactly this key */
  async function verify(
    { keyId, secret }: ParsedKey,
    digest: Buffer,
    address: string | null,
    known: VerifiedKey | null,
  ): Promise<Principal> {
    const forgetsBefore = forgets;
    const stored = await readKey(keyId);
    const now = clock.now();
    if (!stored || stored.revokedAt || (stored.expiresAt && stored.expiresAt.getTime() <= now)) {
      guesses.count({ keyId: stored && keyId, address });
      throw wrongKey();
    }
    // The same secret matches the same hash again. Hashing it each minute would cost a busy server 20 ms per key.
    const isKnown = known !== null && areSame(known.stored, stored);
    if (!isKnown && !(await matches(secret, stored, address))) throw wrongKey();
    if (stored.tenantId !== null && (await tenantDirectory.find({ tenantId: stored.tenantId })) === null)
      throw unauthenticated('The tenant of the API key does not exist any more');
    const principal = principalOf(stored);
    const untilMs = Math.min(now + REMEMBER_MS, stored.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY);
    // This key may have been forgotten meanwhile: then the next call verifies it again.
    if (forgets === forgetsBefore) {
      const { salt, hash: keyHash } = stored;
      verified.set(keyId, { digest, stored: { salt, hash: keyHash }, principal, untilMs });
    }
    noteUse(keyId, now);
    return principal;
  }

  async function authenticateToken(token: string, address: string | null): Promise<Principal> {
    const content = await tenantTokens.read(token);
    if (!content) {
      guesses.count({ keyId: null, address });
      throw unauthenticated('The token is malformed or altered');
    }
    const { id, tenantId, scopes, expiresAtMs, creatorKeyId } = content;
    const now = clock.now();
    if (expiresAtMs <= now) throw unauthenticated('The token has expired');
    if (creatorKeyId !== null && (await ends.get(creatorKeyId)) <= now)
      throw unauthenticated('The key that created the token does not work any more');
    if ((await tenantDirectory.find({ tenantId })) === null)
      throw unauthenticated('The tenant of the token does not exist any more');
    const expiresAt = new Date(expiresAtMs);
    return { kind: 'tenant', tenantId, credential: 'token', keyId: id, scopes: new Set(scopes), expiresAt };
  }

  /** Runs at most once a minute per key, because a verified key is remembered that long. */
  function noteUse(keyId: string, now: number): void {
    models.apiKeys
      .updateOne({ _id: keyId }, { $max: { lastUsedAt: new Date(now) } })
      .catch((error: unknown) => log.warn({ err: error, keyId }, 'auth.last_use_not_stored'));
  }

  return {
    async authenticate(credential, address) {
      const digest = digestOf(credential);
      if (adminDigests.some((admin) => timingSafeEqual(digest, admin))) return OWNER;
      const remembered = verified.get(keyIdOf(credential));
      const known = remembered && timingSafeEqual(remembered.digest, digest) ? remembered : null;
      if (known && known.untilMs > clock.now()) return known.principal;
      if (jwt && isJwt(credential)) return jwt.authenticate(credential, digest, address);
      if (isTenantToken(credential)) return authenticateToken(credential, address);
      const parsed = parseKey(credential);
      if (!parsed) {
        // It may be a guess at ADMIN_API_KEY.
        guesses.count({ keyId: null, address });
        throw unauthenticated('The API key is malformed: check that it was copied whole');
      }
      // A request after a revocation does not share a verification that began before it.
      const flight = `${digest.toString('base64')}:${forgets}`;
      let running = verifying.get(flight);
      if (!running) {
        running = verify(parsed, digest, address, known).finally(() => verifying.delete(flight));
        verifying.set(flight, running);
      }
      return running;
    },
    endOf: ends.get,
    forget(keyId) {
      forgets++;
      verified.delete(keyId);
      ends.forget(keyId);
    },
    forgetAll() {
      forgets++;
      verified.clear();
      ends.clear();
    },
  };
}

/** ADMIN_API_KEY is the first OWNER. */
const OWNER: OperatorPrincipal = { kind: 'operator', role: OperatorRole.OWNER, keyId: null, expiresAt: null };

const wrongKey = () => unauthenticated('The API key is wrong, expired or revoked');

function digestOf(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

const areSame = (a: SecretHash, b: SecretHash): boolean => a.salt.equals(b.salt) && a.hash.equals(b.hash);

/** @throws UNAUTHENTICATED for a key that belongs to nobody */
function principalOf({ _id: keyId, tenantId, role, scopes, expiresAt }: ApiKeyDoc): Principal {
  if (tenantId !== null)
    return { kind: 'tenant', tenantId, credential: 'key', keyId, scopes: new Set(scopes), expiresAt };
  if (role) return { kind: 'operator', role: role as OperatorRole, keyId, expiresAt };
  if (scopes.includes(ApiKeyScope.ENFORCE)) return { kind: 'service', keyId };
  throw unauthenticated(
    `The API key belongs to no tenant and has neither a role nor the scope ${ApiKeyScope.ENFORCE}; create another one`,
  );
}
