import { ALL_SCOPES, ApiKeyScope, MAX_TOKEN_LENGTH } from '@continuum-billing/limits/core';
import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { BillingError, unauthenticated } from '../../common/errors.js';
import type { JwtConfig } from '../../config/jwtConfig.js';
import type { GuessLimit } from './guessLimit.js';
import type { TenantPrincipal } from './principal.js';
import { createPublishedKeys } from './publishedKeys.js';
import { isExternalId, type TenantDirectory } from './tenantDirectory.js';

/** Identifies tenants by tokens of the team's identity provider. */
export interface JwtAuthenticator {
  /**
   * @param digest of the token
   * @throws UNAUTHENTICATED; RATE_LIMITED for a wrong token after too many of one address; SERVICE_UNAVAILABLE if the
   *   provider's keys cannot be read
   */
  authenticate(token: string, digest: Buffer, address: string | null): Promise<TenantPrincipal>;
  /** Loads the provider's keys in the background. */
  preload(): void;
}

/** A token that is right. */
interface VerifiedToken {
  externalId: string;
  /** The name of a tenant that is created for it. */
  name: string;
  scopes: ReadonlySet<string>;
  expiresAt: Date;
  untilMs: number;
  /** Made for the tenant that was found last. */
  principal: TenantPrincipal | null;
}

/** Only asymmetric ones: with a symmetric one, the published key would be the secret. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const CLOCK_TOLERANCE_S = 30;
const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 50_000;
const MAX_NAME_LENGTH = 200;
/** The last instant that a Date can be. */
const MAX_DATE_MS = 8.64e15;

export function createJwtAuthenticator(deps: {
  config: JwtConfig;
  clock: Clock;
  log: Logger;
  guesses: GuessLimit;
  tenantDirectory: TenantDirectory;
  /** Creates the tenant, unless it exists. @returns its id */
  createTenant: (tenant: { externalId: string; name: string }) => Promise<string>;
}): JwtAuthenticator {
  const { config, clock, log, guesses, tenantDirectory, createTenant } = deps;
  const keys = createPublishedKeys({ url: config.jwksUrl, clock, log });
  const options: JWTVerifyOptions = {
    issuer: config.issuer,
    audience: [...config.audience],
    algorithms: ALGORITHMS,
    clockTolerance: CLOCK_TOLERANCE_S,
    requiredClaims: ['exp'],
  };
  const verified = new LRUCache<string, VerifiedToken>({ max: MAX_REMEMBERED });
  const verifying = new Map<string, Promise<VerifiedToken>>();

  /** @throws UNAUTHENTICATED */
  async function payloadOf(token: string, address: string | null): Promise<JWTPayload> {
    try {
      if (token.length > MAX_TOKEN_LENGTH)
        throw unauthenticated(`The token has more than ${MAX_TOKEN_LENGTH} characters`);
      const now = clock.now();
      const { payload } = await jwtVerify(token, keys.find, { ...options, currentDate: new Date(now) });
      if ((payload.iat ?? 0) * 1000 > now + CLOCK_TOLERANCE_S * 1000)
        throw unauthenticated('The token was issued in the future');
      return payload;
    } catch (error) {
      // The signature of an expired token is right, so it is no guess.
      if (error instanceof errors.JWTExpired) throw unauthenticated('The token has expired');
      const isOurs = error instanceof BillingError;
      if (isOurs && error.status !== 401) throw error;
      if (!isOurs && !(error instanceof errors.JOSEError)) log.warn({ err: error }, 'jwt.not_verified');
      guesses.count({ keyId: null, address });
      throw isOurs ? error : unauthenticated(problemOf(error));
    }
  }

  async function verify(token: string, digest: string, address: string | null): Promise<VerifiedToken> {
    const payload = await payloadOf(token, address);
    const claimed = claimOf(payload, config.tenantClaim);
    const externalId = Number.isSafeInteger(claimed) ? String(claimed) : claimed;
    if (!isExternalId(externalId))
      throw unauthenticated(`The token's claim ${config.tenantClaim} does not name a tenant`);
    const expiresAtMs = Math.min((payload.exp as number) * 1000, MAX_DATE_MS);
    const result: VerifiedToken = {
      externalId,
      name: nameOf(payload) ?? externalId,
      scopes: scopesOf(config.scopesClaim === null ? null : claimOf(payload, config.scopesClaim)),
      expiresAt: new Date(expiresAtMs),
      untilMs: Math.min(clock.now() + REMEMBER_MS, expiresAtMs),
      principal: null,
    };
    verified.set(digest, result);
    return result;
  }

  /** The tenant may have been erased, so it is looked up each time, usually in memory. */
  async function tenantIdOf({ externalId, name }: VerifiedToken): Promise<string> {
    const tenantId = await tenantDirectory.find({ externalId });
    if (tenantId !== null) return tenantId;
    if (config.createTenants) return createTenant({ externalId, name });
    throw unauthenticated(`No tenant has the external id ${externalId}; create it with createTenant`);
  }

  return {
    preload: keys.preload,
    async authenticate(token, digest, address) {
      const key = digest.toString('base64');
      let known = verified.get(key);
      if (!known || known.untilMs <= clock.now()) {
        let running = verifying.get(key);
        if (!running) {
          running = verify(token, key, address).finally(() => verifying.delete(key));
          verifying.set(key, running);
        }
        known = await running;
      }
      const tenantId = await tenantIdOf(known);
      if (known.principal?.tenantId !== tenantId) {
        const { scopes, expiresAt } = known;
        known.principal = {
          kind: 'tenant',
          tenantId,
          credential: 'jwt',
          keyId: tenantId,
          scopes,
          expiresAt,
        };
      }
      return known.principal;
    },
  };
}

function problemOf(error: unknown): string {
  if (error instanceof errors.JWTClaimValidationFailed)
    return `The token's claim ${error.claim} is missing or not what this server accepts`;
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'The token is signed with an algorithm that is not accepted';
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return 'The token does not name a key that its issuer publishes';
  return 'The token is malformed or its signature is wrong';
}

/** A claim by its name, or by its path: `app_metadata.tenant` is the claim `tenant` in the object `app_metadata`. */
function claimOf(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  // A name that is a URL has dots too, and is never a path.
  if (name.includes('/')) return undefined;
  return name
    .split('.')
    .reduce<unknown>(
      (value, part) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, part)
          ? (value as Record<string, unknown>)[part]
          : undefined,
      payload,
    );
}

/** The scopes among those in a space-separated text or an array; READ if there is none. */
function scopesOf(claim: unknown): ReadonlySet<string> {
  const names: unknown[] = typeof claim === 'string' ? claim.split(/\s+/) : Array.isArray(claim) ? claim : [];
  const scopes = ALL_SCOPES.filter((scope) => names.includes(scope));
  return new Set(scopes.length > 0 ? scopes : [ApiKeyScope.READ]);
}

function nameOf({ name }: JWTPayload): string | null {
  if (typeof name !== 'string') return null;
  // Users can edit it at many providers: control characters and the like would reach the tools of operators.
  const text = [...name.replace(/\p{C}/gu, ' ').trim()].slice(0, MAX_NAME_LENGTH).join('').trim();
  return text === '' ? null : text;
}
