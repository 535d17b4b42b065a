import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { ApiKeyScope } from '@continuum-billing/limits/core';
import type { Clock } from '../../common/clock.js';
import { BillingError, ErrorCode, forbidden, unauthenticated } from '../../common/errors.js';
import type { Models } from '../../models/models.js';
import type { SessionDoc } from '../../models/session.js';
import type { AuditLog } from '../audit/auditLog.js';
import type { Author } from '../audit/author.js';
import type { Authenticator } from './authenticator.js';
import { type OperatorRole, type Principal, storedKeyOf } from './principal.js';
import type { TenantDirectory } from './tenantDirectory.js';

/** A new session or link. Its token is shown only to the browser: its hash is stored. */
export interface NewSession {
  token: string;
  expiresAt: Date;
}

/** What a page may know of its own session. */
export interface SessionView {
  principal: Principal;
  expiresAt: Date;
  /** For a tenant's page. */
  returnUrl: string | null;
  locale: string | null;
}

/** A session that was begun just now. */
export type OpenedSession = NewSession & SessionView;

/** Whose page: the operator's dashboard, or a tenant's billing page. */
export type SessionPage = 'operator' | 'billing';

/** Why a link does not open the page. */
export type LinkProblem = 'EXPIRED' | 'USED' | 'UNKNOWN';

/** People who use this server's own pages in a browser. Each request reads its session, so that it ends at once everywhere. */
export interface Sessions {
  /**
   * Signs an operator in.
   * @throws UNAUTHENTICATED, RATE_LIMITED like any request with the key; FORBIDDEN for a key of anyone else
   */
  signIn(key: string, address: string): Promise<OpenedSession>;
  /** Creates a link by which a person of the tenant signs in once, within 30 minutes. */
  createLink(
    input: { tenantId: string; returnUrl: string | null; locale: string | null },
    creator: Principal,
    author: Author,
  ): Promise<NewSession>;
  /** Exchanges a link for a session. Of two requests at once, one succeeds. @throws UNAUTHENTICATED with the reason */
  exchange(link: string): Promise<OpenedSession>;
  /** @throws UNAUTHENTICATED if it has ended, or if what signed in does not work any more */
  read(token: string, page: SessionPage): Promise<SessionView>;
  /** Signing out twice is not an error. */
  end(token: string): Promise<void>;
}

const OPERATOR_SESSION_MS = 12 * 3_600_000;
const TENANT_SESSION_MS = 2 * 3_600_000;
const LINK_MS = 30 * 60_000;
const TOKEN_BYTES = 32;
/** The form of a token, so that other text costs no read. */
const TOKEN = /^[\w-]{43}$/;
/** The oldest sessions of an owner beyond this number end. */
const MAX_PER_OWNER = 100;

/** A page's session reads and pays for its tenant, and never makes keys. */
const TENANT_SCOPES: ReadonlySet<string> = new Set([ApiKeyScope.READ, ApiKeyScope.BILLING]);

export function createSessions(deps: {
  models: Models;
  clock: Clock;
  auditLog: AuditLog;
  adminApiKeys: readonly string[];
  authenticator: Authenticator;
  tenantDirectory: TenantDirectory;
}): Sessions {
  const { models, clock, auditLog, adminApiKeys, authenticator, tenantDirectory } = deps;
  const { sessions } = models;

  type Content = Pick<SessionDoc, 'kind' | 'owner'> & Partial<SessionDoc>;

  function build(token: string, content: Content, lastsMs: number): SessionDoc {
    const now = clock.now();
    const latestMs = content.latestEnd?.getTime() ?? Number.POSITIVE_INFINITY;
    return {
      tenantId: null,
      keyId: null,
      adminKeyProofs: [],
      latestEnd: null,
      role: null,
      returnUrl: null,
      locale: null,
      linkId: null,
      usedAt: null,
      ...content,
      _id: sessionIdOf(token),
      createdAt: new Date(now),
      expiresAt: new Date(Math.min(now + lastsMs, latestMs)),
    };
  }

  /** Bounds how many sessions someone has who signs in all day. */
  async function endOldest(owner: string): Promise<void> {
    const tooMany = await sessions
      .find({ owner }, { _id: 1 })
      .sort({ createdAt: -1 })
      .skip(MAX_PER_OWNER)
      .limit(MAX_PER_OWNER)
      .lean<{ _id: string }[]>();
    if (tooMany.length > 0) await sessions.deleteMany({ _id: { $in: tooMany.map(({ _id }) => _id) } });
  }

  async function find(token: string, kind: SessionDoc['kind']): Promise<SessionDoc | null> {
    if (!TOKEN.test(token)) return null;
    return sessions.findOne({ _id: sessionIdOf(token), kind }).lean<SessionDoc>();
  }

  /** @returns when the key ends that signed in or created the link: milliseconds since the Unix epoch */
  async function keyEndOf({ keyId }: SessionDoc): Promise<number> {
    return keyId === null ? Number.POSITIVE_INFINITY : authenticator.endOf(keyId);
  }

  const provenKeys = ({ adminKeyProofs }: SessionDoc, token: string): string[] =>
    adminApiKeys.filter((key) => adminKeyProofs.some((proof) => areEqual(proofOf(key, token), proof)));

  async function requireUsable(doc: SessionDoc, token: string): Promise<number> {
    if (doc.adminKeyProofs.length > 0 && provenKeys(doc, token).length === 0)
      throw unauthenticated('ADMIN_API_KEY, with which it began, was replaced; begin again with the new one');
    const now = clock.now();
    const keyEndMs = await keyEndOf(doc);
    if (keyEndMs <= now)
      throw unauthenticated('The key that it began with does not work any more; sign in again');
    if (doc.tenantId !== null && (await tenantDirectory.find({ tenantId: doc.tenantId })) === null)
      throw unauthenticated('The tenant does not exist any more');
    return keyEndMs;
  }

  function principalOf(doc: SessionDoc, keyEndMs: number): Principal {
    if (doc.tenantId !== null) {
      const { _id, linkId, tenantId, expiresAt } = doc;
      return {
        kind: 'tenant',
        tenantId,
        credential: 'session',
        // The audit log then says which link the session began with, and so who made it.
        keyId: shortId(linkId ?? _id),
        scopes: TENANT_SCOPES,
        expiresAt,
      };
    }
    return {
      kind: 'operator',
      role: doc.role as OperatorRole,
      keyId: doc.keyId,
      // Not the session's: what an operator creates may outlive the session, but not the key.
      expiresAt: Number.isFinite(keyEndMs) ? new Date(keyEndMs) : null,
    };
  }

  async function viewOf(doc: SessionDoc, token: string): Promise<SessionView> {
    const principal = principalOf(doc, await requireUsable(doc, token));
    const { expiresAt, returnUrl, locale } = doc;
    return { principal, expiresAt, returnUrl, locale };
  }

  return {
    async signIn(key, address) {
      const principal = await authenticator.authenticate(key, address);
      if (principal.kind !== 'operator')
        throw forbidden("This key is not an operator's; sign in with an operator's key");
      const { keyId, role } = principal;
      const token = newToken();
      const adminKeys =
        keyId === null ? adminApiKeys.filter((one) => areEqual(digestOf(one), digestOf(key))) : [];
      const doc = build(
        token,
        {
          kind: 'operator',
          owner: `operator:${keyId ?? 'ADMIN_API_KEY'}`,
          keyId,
          role,
          adminKeyProofs: adminKeys.map((one) => proofOf(one, token)),
        },
        OPERATOR_SESSION_MS,
      );
      await sessions.create([doc]);
      await endOldest(doc.owner);
      return { token, ...(await viewOf(doc, token)) };
    },

    async createLink({ tenantId, returnUrl, locale }, creator, author) {
      const token = newToken();
      const doc = build(
        token,
        {
          kind: 'link',
          owner: `tenant:${tenantId}:links`,
          tenantId,
          keyId: storedKeyOf(creator),
          adminKeyProofs:
            creator.kind === 'operator' && creator.keyId === null
              ? adminApiKeys.map((one) => proofOf(one, token))
              : [],
          latestEnd: creator.kind === 'tenant' && creator.credential === 'jwt' ? creator.expiresAt : null,
          returnUrl,
          locale,
        },
        LINK_MS,
      );
      const { expiresAt } = doc;
      // A tenant's own links are as many as its app asks for, and they can do no more than the key that made them.
      if (creator.kind === 'tenant') await sessions.create([doc]);
      else
        await auditLog.change(author, async (session, note) => {
          await sessions.create([doc], { session });
          note({
            tenantId,
            action: 'billing_page_link.created',
            before: null,
            after: { id: shortId(doc._id), expiresAt },
          });
        });
      await endOldest(doc.owner);
      return { token, expiresAt };
    },

    async exchange(link) {
      const found = await find(link, 'link');
      if (!found) throw unusable('UNKNOWN');
      if (found.expiresAt.getTime() <= clock.now()) throw unusable('EXPIRED');
      if (found.usedAt) throw unusable('USED');
      await requireUsable(found, link);
      const { tenantId, keyId, latestEnd, returnUrl, locale } = found;
      const token = newToken();
      const doc = build(
        token,
        {
          kind: 'billing',
          owner: `tenant:${tenantId}`,
          tenantId,
          keyId,
          adminKeyProofs: provenKeys(found, link).map((one) => proofOf(one, token)),
          latestEnd,
          returnUrl,
          locale,
          linkId: found._id,
        },
        TENANT_SESSION_MS,
      );
      await models.connection.transaction(async (session) => {
        const { modifiedCount } = await sessions.updateOne(
          { _id: found._id, usedAt: null },
          { $set: { usedAt: doc.createdAt } },
          { session },
        );
        if (modifiedCount === 0) throw unusable('USED');
        await sessions.create([doc], { session });
      });
      await endOldest(doc.owner);
      return { token, ...(await viewOf(doc, token)) };
    },

    async read(token, page) {
      const doc = await find(token, page);
      if (!doc || doc.expiresAt.getTime() <= clock.now())
        throw unauthenticated('The session has ended; sign in again');
      return viewOf(doc, token);
    },

    async end(token) {
      if (TOKEN.test(token)) await sessions.deleteOne({ _id: sessionIdOf(token), kind: { $ne: 'link' } });
    },
  };
}

const LINK_PROBLEMS: Record<LinkProblem, string> = {
  EXPIRED: 'This link has expired: it works for 30 minutes. Ask for a new one',
  USED: 'This link was used already: it works once. Ask for a new one',
  UNKNOWN: 'This link is not complete, or has expired. Ask for a new one',
};

const unusable = (reason: LinkProblem) =>
  new BillingError(ErrorCode.UNAUTHENTICATED, LINK_PROBLEMS[reason], { reason });

const newToken = () => randomBytes(TOKEN_BYTES).toString('base64url');
const digestOf = (text: string) => hash('sha256', text);
/** As logs show it. */
const shortId = (id: string) => id.slice(0, 16);

/** The id under which a session or a link is stored. */
export const sessionIdOf = (token: string): string => digestOf(token);

/** Without the token, which is not stored, nobody can try keys against it. */
const proofOf = (adminKey: string, token: string) =>
  createHmac('sha256', adminKey).update(token).digest('hex');

const areEqual = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
