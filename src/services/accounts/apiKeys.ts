import { ALL_SCOPES, ApiKeyScope } from '@continuum-billing/limits/core';
import type { Clock } from '../../common/clock.js';
import { badInput, forbidden, notFound } from '../../common/errors.js';
import type { ApiKeyDoc } from '../../models/apiKey.js';
import type { Models } from '../../models/models.js';
import type { Authenticator } from './authenticator.js';
import { generateKey, hashSecret } from './keySecret.js';
import { type Principal } from './principal.js';
import type { WorkQueue } from './workQueue.js';

export type { ApiKeyDoc };

export interface NewKey {
  apiKey: ApiKeyDoc;
  /** Shown only once: only its hash is stored. */
  secret: string;
}

export interface NewKeyInput {
  name: string;
  scopes?: string[] | null | undefined;
  expiresAt?: Date | null | undefined;
}

export interface ApiKeys {
  /** @param owner the tenant's id, or null for the operator (here and below) */
  list(owner: string | null): Promise<ApiKeyDoc[]>;
  /** @param creator a key cannot create a key with more scopes or a longer life than its own */
  create(owner: string | null, input: NewKeyInput, creator: Principal): Promise<NewKey>;
  /** Builds a key with all scopes of its owner, for the caller to store together with the owner. */
  build(owner: string | null, name: string): Promise<NewKey>;
  /**
   * Creates a new key with the same name and scopes. The old one works for `overlapS` more seconds.
   * @param caller a key cannot rotate a key with more scopes or a longer life than its own
   */
  rotate(owner: string | null, keyId: string, overlapS: number, caller: Principal): Promise<NewKey>;
  /**
   * Revokes a key at once, on every instance. Revoking twice is not an error.
   * @param caller a key cannot revoke a key with more scopes than its own
   */
  revoke(owner: string | null, keyId: string, caller: Principal): Promise<ApiKeyDoc>;
}

const MAX_KEYS_PER_TENANT = 100;
/** Ended keys that are kept per owner, the newest first. They are also deleted after 90 days. */
const MAX_ENDED_KEYS = 200;

/**
 * A service's key can only decide operations, for all tenants; a tenant's key can do everything else.
 * @throws BAD_USER_INPUT
 */
function rejectMixedScopes(owner: string | null, scopes: readonly string[]): void {
  const enforces = scopes.includes(ApiKeyScope.ENFORCE);
  if (owner === null ? !enforces || scopes.length > 1 : enforces)
    throw badInput(
      'input.scopes',
      owner === null
        ? `must be [${ApiKeyScope.ENFORCE}] for a key without a tenantId; pass tenantId to create a tenant's key`
        : `${ApiKeyScope.ENFORCE} is for keys of the operator's own services, made without a tenantId`,
    );
}

/** @throws BAD_USER_INPUT */
export function requireFuture(expiresAt: Date | null | undefined, nowMs: number): void {
  if (expiresAt && expiresAt.getTime() <= nowMs) throw badInput('input.expiresAt', 'must be in the future');
}

export function createApiKeys(deps: {
  models: Models;
  clock: Clock;
  authenticator: Authenticator;
  keyHashes: WorkQueue;
  kind: 'live' | 'test';
}): ApiKeys {
  const { models, clock, authenticator, keyHashes, kind } = deps;
  const usable = (now: Date) => ({
    revokedAt: null,
    $or: [{ expiresAt: null }, { expiresAt: { $gt: now } }],
  });

  async function build(
    tenantId: string | null,
    input: { name: string; scopes: string[]; expiresAt: Date | null },
  ): Promise<NewKey> {
    const { key, keyId, secret } = generateKey(kind);
    const doc: ApiKeyDoc = {
      _id: keyId,
      tenantId,
      ...input,
      ...(await keyHashes.run(() => hashSecret(secret))),
      createdAt: new Date(clock.now()),
      revokedAt: null,
      lastUsedAt: null,
      rotatedTo: null,
    };
    return { apiKey: doc, secret: key };
  }

  async function make(...key: Parameters<typeof build>): Promise<NewKey> {
    const made = await build(...key);
    await models.apiKeys.create(made.apiKey);
    await forgetEnded(made.apiKey.tenantId);
    return made;
  }

  /** Bounds the number of ended keys of an owner that creates and revokes keys all day. */
  async function forgetEnded(tenantId: string | null): Promise<void> {
    const now = new Date(clock.now());
    const tooMany = await models.apiKeys
      .find({ tenantId, $or: [{ revokedAt: { $ne: null } }, { expiresAt: { $lte: now } }] }, { _id: 1 })
      .sort({ createdAt: -1 })
      .skip(MAX_ENDED_KEYS)
      .limit(MAX_ENDED_KEYS)
      .lean<ApiKeyDoc[]>();
    if (tooMany.length > 0) await models.apiKeys.deleteMany({ _id: { $in: tooMany.map(({ _id }) => _id) } });
  }

  async function rejectTooMany(tenantId: string | null): Promise<void> {
    const count = await models.apiKeys.countDocuments({ tenantId, ...usable(new Date(clock.now())) });
    if (count >= MAX_KEYS_PER_TENANT) {
      throw badInput(
        'input',
        `there are at most ${MAX_KEYS_PER_TENANT} usable keys of one owner; revoke one first`,
      );
    }
  }

  /** @throws FORBIDDEN if the key has scopes that the caller lacks */
  function requireScopes(verb: string, scopes: readonly string[], caller: Principal): void {
    const excess = scopes.filter((scope) => caller.kind === 'tenant' && !caller.scopes.has(scope));
    if (excess.length > 0) {
      throw forbidden(
        `This key lacks the scope ${excess.join(', ')}: it may not ${verb} a key that has it; use one that has it too`,
      );
    }
  }

  /** @throws FORBIDDEN if the key would outlive the caller's */
  function requireLifetime(verb: string, expiresAt: Date | null, caller: Principal): void {
    if (caller.kind !== 'tenant' || caller.expiresAt === null) return;
    if (expiresAt !== null && expiresAt <= caller.expiresAt) return;
    throw forbidden(
      `This key expires at ${caller.expiresAt.toISOString()}: it may not ${verb} a key that works longer`,
    );
  }

  async function find(tenantId: string | null, keyId: string): Promise<ApiKeyDoc> {
    const doc = await models.apiKeys.findOne({ _id: keyId, tenantId }).lean<ApiKeyDoc>();
    if (!doc) throw notFound(`API key ${keyId}`);
    return doc;
  }

  return {
    async list(tenantId) {
      return models.apiKeys
        .find({ tenantId })
        .sort({ createdAt: -1 })
        .limit(MAX_KEYS_PER_TENANT + MAX_ENDED_KEYS)
        .lean<ApiKeyDoc[]>();
    },

    async create(tenantId, input, creator) {
      const scopes = [...new Set(input.scopes ?? (creator.kind === 'tenant' ? creator.scopes : ALL_SCOPES))];
      if (scopes.length === 0) throw badInput('input.scopes', 'must name at least one scope');
      rejectMixedScopes(tenantId, scopes);
      requireScopes('create', scopes, creator);
      const expiresAt = input.expiresAt ?? (creator.kind === 'tenant' ? creator.expiresAt : null);
      requireLifetime('create', expiresAt, creator);
      requireFuture(expiresAt, clock.now());
      await rejectTooMany(tenantId);
      return make(tenantId, { name: input.name, scopes, expiresAt });
    },

    build: (owner, name) => build(owner, { name, scopes: owner === null ? [] : ALL_SCOPES, expiresAt: null }),

    async rotate(tenantId, keyId, overlapS, caller) {
      const old = await find(tenantId, keyId);
      requireScopes('rotate', old.scopes, caller);
      requireLifetime('rotate', old.expiresAt, caller);
      const now = clock.now();
      if (old.revokedAt || (old.expiresAt && old.expiresAt.getTime() <= now)) {
        throw badInput('id', 'the key is revoked or expired; create a new one instead');
      }
      if (old.rotatedTo) throw badInput('id', `the key was rotated already, to ${old.rotatedTo}`);
      await rejectTooMany(tenantId);
      const next = await make(tenantId, { name: old.name, scopes: old.scopes, expiresAt: old.expiresAt });
      const overlapEnd = new Date(now + overlapS * 1000);
      const expiresAt = old.expiresAt && old.expiresAt < overlapEnd ? old.expiresAt : overlapEnd;
      // The condition lets one of two concurrent rotations win; the other deletes its new key.
      const won = await models.apiKeys.updateOne(
        { _id: keyId, rotatedTo: null, revokedAt: null },
        { $set: { expiresAt, rotatedTo: next.apiKey._id } },
      );
      authenticator.forget(keyId);
      if (won.modifiedCount === 1) return next;
      await models.apiKeys.deleteOne({ _id: next.apiKey._id });
      throw badInput('id', 'the key was rotated or revoked at the same moment');
    },

    async revoke(tenantId, keyId, caller) {
      const { scopes } = await find(tenantId, keyId);
      requireScopes('revoke', scopes, caller);
      await models.apiKeys.updateOne(
        { _id: keyId, revokedAt: null },
        { $set: { revokedAt: new Date(clock.now()) } },
      );
      authenticator.forget(keyId);
      return find(tenantId, keyId);
    },
  };
}
