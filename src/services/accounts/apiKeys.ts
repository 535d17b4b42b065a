import { ALL_SCOPES, ApiKeyScope } from '@continuum-billing/limits/core';
import type { ClientSession } from 'mongoose';
import type { Clock } from '../../common/clock.js';
import { badInput, forbidden, notFound } from '../../common/errors.js';
import type { ApiKeyDoc } from '../../models/apiKey.js';
import type { Models } from '../../models/models.js';
import type { AuditLog, Change } from '../audit/auditLog.js';
import type { Author } from '../audit/author.js';
import type { Authenticator } from './authenticator.js';
import { generateKey, hashSecret } from './keySecret.js';
import { OperatorRole, type Principal } from './principal.js';
import type { WorkQueue } from './workQueue.js';

export type { ApiKeyDoc };

export interface NewKey {
  apiKey: ApiKeyDoc;
  /** Shown only once: only its hash is stored. */
  secret: string;
}

export interface NewKeyInput {
  name: string;
  /** Default: the creator's. Not for operators' keys. */
  scopes?: string[] | null | undefined;
  /** Only for operators' keys. */
  role?: OperatorRole;
  expiresAt?: Date | null | undefined;
}

/** Whose keys: a tenant's, those of services that enforce limits, or those of the operator's people and programs. */
export type KeyOwner = { tenantId: string } | 'services' | 'operators';

export interface ApiKeys {
  /** Newest first, including revoked keys. */
  list(owner: KeyOwner): Promise<ApiKeyDoc[]>;
  /**
   * @param creator a key cannot create a key with more scopes or a longer life than its own. Tenants' keys may outlive
   *   the operator's key that creates them
   * @throws NOT_FOUND if the tenant was erased
   */
  create(owner: KeyOwner, input: NewKeyInput, creator: Principal, author: Author): Promise<NewKey>;
  /** Builds a key with all scopes of a tenant, or of an OWNER, for the caller to store together with the tenant. */
  build(owner: { tenantId: string } | 'operators', name: string): Promise<NewKey>;
  /**
   * Creates a new key with the same name and scopes. The old one works for `overlapS` more seconds.
   * @param caller a key cannot rotate a key with more scopes or a longer life than its own
   */
  rotate(
    owner: KeyOwner,
    keyId: string,
    overlapS: number,
    caller: Principal,
    author: Author,
  ): Promise<NewKey>;
  /**
   * Revokes a key at once, on every instance. Revoking twice is not an error.
   * @param caller a key cannot revoke a key with more scopes than its own
   * @throws BAD_USER_INPUT if no OWNER's key would be left that never expires, and there is no ADMIN_API_KEY: nobody
   *   could act any more
   */
  revoke(owner: KeyOwner, keyId: string, caller: Principal, author: Author): Promise<ApiKeyDoc>;
}

const MAX_KEYS_PER_TENANT = 100;
/** Ended keys that are kept per owner, the newest first. They are also deleted after 90 days. */
const MAX_ENDED_KEYS = 200;

/**
 * A service's key can only decide operations, for all tenants; a tenant's key can do everything else.
 * @throws BAD_USER_INPUT
 */
function rejectMixedScopes(owner: KeyOwner, scopes: readonly string[]): void {
  if (owner === 'operators') return;
  const enforces = scopes.includes(ApiKeyScope.ENFORCE);
  if (owner === 'services' ? !enforces || scopes.length > 1 : enforces)
    throw badInput(
      'input.scopes',
      owner === 'services'
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
  auditLog: AuditLog;
  authenticator: Authenticator;
  keyHashes: WorkQueue;
  kind: 'live' | 'test';
  /** Whether ADMIN_API_KEY is set. */
  hasAdminKey: boolean;
}): ApiKeys {
  const { models, clock, auditLog, authenticator, keyHashes, kind, hasAdminKey } = deps;
  const usable = (now: Date) => ({
    revokedAt: null,
    $or: [{ expiresAt: null }, { expiresAt: { $gt: now } }],
  });

  async function build(
    owner: KeyOwner,
    input: {
      name: string;
      scopes: string[];
      role: string | null;
      expiresAt: Date | null;
      createdBy: string | null;
    },
  ): Promise<NewKey> {
    const { key, keyId, secret } = generateKey(kind);
    const doc: ApiKeyDoc = {
      _id: keyId,
      tenantId: typeof owner === 'string' ? null : owner.tenantId,
      ...input,
      ...(await keyHashes.run(() => hashSecret(secret))),
      createdAt: new Date(clock.now()),
      revokedAt: null,
      lastUsedAt: null,
      rotatedTo: null,
    };
    return { apiKey: doc, secret: key };
  }

  /** Bounds the number of ended keys of an owner that creates and revokes keys all day. */
  async function forgetEnded(owner: KeyOwner): Promise<void> {
    const now = new Date(clock.now());
    const tooMany = await models.apiKeys
      .find(
        { ...keysOf(owner), $or: [{ revokedAt: { $ne: null } }, { expiresAt: { $lte: now } }] },
        { _id: 1 },
      )
      .sort({ createdAt: -1 })
      .skip(MAX_ENDED_KEYS)
      .limit(MAX_ENDED_KEYS)
      .lean<ApiKeyDoc[]>();
    if (tooMany.length > 0) await models.apiKeys.deleteMany({ _id: { $in: tooMany.map(({ _id }) => _id) } });
  }

  /** In the transaction of the change, so that parallel ones cannot pass the limit together. */
  async function rejectTooMany(owner: KeyOwner, session: ClientSession): Promise<void> {
    const usableKeys = { ...keysOf(owner), ...usable(new Date(clock.now())) };
    const count = await models.apiKeys.countDocuments(usableKeys, { session });
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

  /**
   * @param latest of `latestEndOf`
   * @throws FORBIDDEN if the key would outlive the caller's
   */
  function requireLifetime(verb: string, expiresAt: Date | null, latest: Date | null): void {
    if (latest === null || (expiresAt !== null && expiresAt <= latest)) return;
    throw forbidden(
      `This key expires at ${latest.toISOString()}: it may not ${verb} a key that works longer`,
    );
  }

  /**
   * Erasing a tenant writes to the same chain of the audit log. Of the two transactions the later one starts again, and
   * sees what the other has done.
   */
  async function requireTenant(owner: KeyOwner, session: ClientSession): Promise<void> {
    if (typeof owner === 'string') return;
    const { tenantId } = owner;
    if (!(await models.tenants.exists({ _id: tenantId, erasure: null }).session(session)))
      throw notFound(`Tenant ${tenantId}`);
  }

  async function find(owner: KeyOwner, keyId: string): Promise<ApiKeyDoc> {
    const doc = await models.apiKeys.findOne({ _id: keyId, ...keysOf(owner) }).lean<ApiKeyDoc>();
    if (!doc) throw notFound(`API key ${keyId}`);
    return doc;
  }

  /**
   * Call it in the transaction that revoked an OWNER's key. A key that expires, as a rotated one does, does not count:
   * it only postpones the moment when nobody can act any more.
   * @throws BAD_USER_INPUT if no OWNER's key is left
   */
  async function requireOwner(session: ClientSession): Promise<void> {
    if (hasAdminKey) return;
    const lasting = { tenantId: null, role: OperatorRole.OWNER, revokedAt: null, expiresAt: null };
    if (!(await models.apiKeys.exists(lasting).session(session))) {
      throw badInput(
        'id',
        "no OWNER's key that never expires would be left; create another one first, or set ADMIN_API_KEY",
      );
    }
  }

  return {
    async list(owner) {
      return models.apiKeys
        .find(keysOf(owner))
        .sort({ createdAt: -1 })
        .limit(MAX_KEYS_PER_TENANT + MAX_ENDED_KEYS)
        .lean<ApiKeyDoc[]>();
    },

    async create(owner, input, creator, author) {
      const scopes =
        owner === 'operators'
          ? []
          : [...new Set(input.scopes ?? (creator.kind === 'tenant' ? creator.scopes : ALL_SCOPES))];
      if (owner !== 'operators' && scopes.length === 0)
        throw badInput('input.scopes', 'must name at least one scope');
      rejectMixedScopes(owner, scopes);
      requireScopes('create', scopes, creator);
      const latest = latestEndOf(owner, creator);
      const expiresAt = input.expiresAt ?? latest;
      requireLifetime('create', expiresAt, latest);
      requireFuture(expiresAt, clock.now());
      const made = await build(owner, {
        name: input.name,
        scopes,
        role: input.role ?? null,
        expiresAt,
        createdBy: author.actor,
      });
      await auditLog.change(author, async (session, note) => {
        await requireTenant(owner, session);
        await rejectTooMany(owner, session);
        await models.apiKeys.create([made.apiKey], { session });
        note(keyCreated(made.apiKey));
      });
      await forgetEnded(owner);
      return made;
    },

    build: (owner, name) =>
      build(owner, {
        name,
        ...(owner === 'operators'
          ? { scopes: [], role: OperatorRole.OWNER }
          : { scopes: ALL_SCOPES, role: null }),
        expiresAt: null,
        createdBy: null,
      }),

    async rotate(owner, keyId, overlapS, caller, author) {
      const old = await find(owner, keyId);
      requireScopes('rotate', old.scopes, caller);
      requireLifetime('rotate', old.expiresAt, latestEndOf(owner, caller));
      const now = clock.now();
      if (old.revokedAt || (old.expiresAt && old.expiresAt.getTime() <= now)) {
        throw badInput('id', 'the key is revoked or expired; create a new one instead');
      }
      if (old.rotatedTo) throw badInput('id', `the key was rotated already, to ${old.rotatedTo}`);
      const { name, scopes, role, expiresAt: oldExpiry } = old;
      const createdBy = author.actor;
      const next = await build(owner, { name, scopes, role, expiresAt: oldExpiry, createdBy });
      const overlapEnd = new Date(now + overlapS * 1000);
      const expiresAt = old.expiresAt && old.expiresAt < overlapEnd ? old.expiresAt : overlapEnd;
      await auditLog.change(author, async (session, note) => {
        await rejectTooMany(owner, session);
        // The condition lets one of two concurrent rotations win.
        const won = await models.apiKeys.updateOne(
          { _id: keyId, rotatedTo: null, revokedAt: null },
          { $set: { expiresAt, rotatedTo: next.apiKey._id } },
          { session },
        );
        if (won.modifiedCount === 0)
          throw badInput('id', 'the key was rotated or revoked at the same moment');
        await models.apiKeys.create([next.apiKey], { session });
        note({
          tenantId: old.tenantId,
          action: 'key.rotated',
          before: auditedKey(old),
          after: { ...auditedKey(next.apiKey), oldKeyExpiresAt: expiresAt },
          personal: ['name'],
        });
      });
      authenticator.forget(keyId);
      await forgetEnded(owner);
      return next;
    },

    async revoke(owner, keyId, caller, author) {
      const key = await find(owner, keyId);
      requireScopes('revoke', key.scopes, caller);
      await auditLog.change(author, async (session, note) => {
        const { modifiedCount } = await models.apiKeys.updateOne(
          { _id: keyId, revokedAt: null },
          { $set: { revokedAt: new Date(clock.now()) } },
          { session },
        );
        if (modifiedCount === 0) return;
        const { tenantId, role } = key;
        if (role === OperatorRole.OWNER) await requireOwner(session);
        note({ tenantId, action: 'key.revoked', before: auditedKey(key), after: null, personal: ['name'] });
      });
      authenticator.forget(keyId);
      return find(owner, keyId);
    },
  };
}

/** The filter that selects the keys of an owner. */
function keysOf(owner: KeyOwner) {
  if (owner === 'services') return { tenantId: null, role: null };
  return owner === 'operators' ? { tenantId: null, role: { $ne: null } } : { tenantId: owner.tenantId };
}

/**
 * The latest end that a caller may give to a key; null: any. A tenant's key that an operator makes is the tenant's, so
 * it does not end with the operator's.
 */
function latestEndOf(owner: KeyOwner, caller: Principal): Date | null {
  if (caller.kind === 'service' || (caller.kind === 'operator' && typeof owner !== 'string')) return null;
  return caller.expiresAt;
}

/** What the audit log says of a key. */
const auditedKey = ({ _id, name, scopes, role, expiresAt }: ApiKeyDoc) => ({
  id: _id,
  name,
  ...(role === null ? { scopes } : { role }),
  expiresAt,
});

export const keyCreated = (key: ApiKeyDoc): Change => ({
  tenantId: key.tenantId,
  action: 'key.created',
  before: null,
  after: auditedKey(key),
  personal: ['name'],
});
