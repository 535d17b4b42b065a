import { ApiKeyScope, MAX_TOKEN_LENGTH, TENANT_TOKEN_PREFIX } from '@continuum-billing/limits/core';
import type { Connection } from 'mongoose';
import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import { badInput, forbidden } from '../../common/errors.js';
import { randomText } from '../../common/randomText.js';
import type { AuditLog } from '../audit/auditLog.js';
import type { Author } from '../audit/author.js';
import { createSigner } from '../infrastructure/signer.js';
import { type Principal, storedKeyOf } from './principal.js';

/** What a token says. */
export interface TenantToken {
  id: string;
  tenantId: string;
  scopes: readonly string[];
  expiresAtMs: number;
  /** The stored key that created it, with which it ends; null: another credential did. */
  creatorKeyId: string | null;
}

export interface NewTenantToken {
  token: string;
  expiresAt: Date;
}

/** Short-lived tokens of tenants, for browsers. They are signed, and not stored. */
export interface TenantTokens {
  /**
   * @param creator a tenant's credential cannot create a token with more scopes than its own. The token ends with it
   * @throws BAD_USER_INPUT for scopes that no token may have; FORBIDDEN for more than the creator's
   */
  create(
    input: { tenantId: string; scopes: readonly string[]; ttlSeconds: number },
    creator: Principal,
    author: Author,
  ): Promise<NewTenantToken>;
  /** @returns what the token says, even if it has expired; null if this server did not make it */
  read(token: string): Promise<TenantToken | null>;
  start(): Promise<void>;
  stop(): void;
}

const ID_LENGTH = 16;
/** A stolen token must not lead to credentials that live longer. */
const EXCLUDED: readonly string[] = [ApiKeyScope.KEYS, ApiKeyScope.ENFORCE];

/** Short names: a browser sends the token with each request. */
interface Content {
  i: string;
  t: string;
  s: readonly string[];
  e: number;
  k: string | null;
}

export function createTenantTokens(deps: {
  connection: Connection;
  clock: Clock;
  log: Logger;
  auditLog: AuditLog;
}): TenantTokens {
  const { clock, auditLog } = deps;
  const signer = createSigner({
    ...deps,
    purpose: 'tenantTokenKeys',
    maxLength: MAX_TOKEN_LENGTH,
  });
  return {
    async create({ tenantId, scopes: wanted, ttlSeconds }, creator, author) {
      const scopes = [...new Set(wanted)];
      const excluded = scopes.filter((scope) => EXCLUDED.includes(scope));
      if (excluded.length > 0) throw badInput('input.scopes', `must not have ${excluded.join(', ')}`);
      const excess = scopes.filter((scope) => creator.kind === 'tenant' && !creator.scopes.has(scope));
      if (excess.length > 0)
        throw forbidden(
          `This key lacks the scope ${excess.join(', ')}: it may not create a token that has it`,
        );
      const ownEndMs = creator.kind === 'tenant' ? creator.expiresAt?.getTime() : undefined;
      const expiresAtMs = Math.min(clock.now() + ttlSeconds * 1000, ownEndMs ?? Number.POSITIVE_INFINITY);
      const id = randomText(ID_LENGTH);
      const expiresAt = new Date(expiresAtMs);
      // A tenant's own are as many as its pages ask for, and they can do no more than the key that made them.
      if (creator.kind !== 'tenant')
        await auditLog.change(author, async (_session, note) => {
          note({ tenantId, action: 'token.created', before: null, after: { id, scopes, expiresAt } });
        });
      const content: Content = { i: id, t: tenantId, s: scopes, e: expiresAtMs, k: storedKeyOf(creator) };
      return { token: TENANT_TOKEN_PREFIX + signer.sign(content), expiresAt };
    },

    async read(token) {
      const content = (await signer.read(token.slice(TENANT_TOKEN_PREFIX.length))) as Content | null;
      if (!content) return null;
      const { i, t, s, e, k } = content;
      return { id: i, tenantId: t, scopes: s, expiresAtMs: e, creatorKeyId: k };
    },

    start: signer.start,
    stop: signer.stop,
  };
}
