import { stringifySetCookie } from 'cookie';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { forbidden, unauthenticated } from '../common/errors.js';
import { nameCaller } from '../directives/loggedRequest.js';
import type { TenantPrincipal } from '../services/accounts/principal.js';
import type { NewSession, SessionPage, Sessions, SessionView } from '../services/accounts/sessions.js';
import type { ServerMode } from '../services/billing/stripe/stripeClient.js';
import { clientAddress } from './clientAddress.js';
import { isSameOrigin, SESSION_COOKIES, sessionTokens } from './credentials.js';
import { validInput } from './jsonBody.js';

const MAX_BODY_BYTES = 16_384;

const signInBody = z.strictObject({ key: z.string('must be an operator’s key').min(1).max(1000) });
const linkBody = z.strictObject({ link: z.string('must be the link’s token').min(1).max(200) });

/** What pages show of the server. */
export interface ServerFacts {
  mode: ServerMode;
  version: string;
}

/** Signing in to this server's pages, and out again. The cookie is out of reach of scripts, and of other sites. */
export function sessionRoutes(deps: {
  sessions: Sessions;
  publicUrl: string | null;
  facts: ServerFacts;
}): FastifyPluginAsync {
  const { sessions, publicUrl, facts } = deps;

  function setCookie(request: FastifyRequest, reply: FastifyReply, kind: SessionPage, session: NewSession) {
    reply.header('set-cookie', cookieOf(request, kind, session.token, session.expiresAt));
  }

  function cookieOf(request: FastifyRequest, kind: SessionPage, value: string, expires: Date): string {
    return stringifySetCookie({
      name: SESSION_COOKIES[kind],
      value,
      path: '/',
      httpOnly: true,
      sameSite: 'strict',
      secure: request.protocol === 'https' || (publicUrl?.startsWith('https:') ?? false),
      expires,
    });
  }

  /** Another site could otherwise sign a person in or out. Scripts send no `Origin`. */
  function rejectOtherOrigins(request: FastifyRequest): void {
    const { headers } = request;
    if (headers.origin === undefined && headers['sec-fetch-site'] === undefined) return;
    if (!isSameOrigin({ headers, host: request.host, publicUrl }))
      throw forbidden('Only pages of this server may do this');
  }

  function describe(request: FastifyRequest, { principal, expiresAt, returnUrl, locale }: SessionView) {
    nameCaller(request.logged, principal);
    const common = { expiresAt: expiresAt.toISOString(), ...facts };
    if (principal.kind === 'operator') return { role: principal.role, keyId: principal.keyId, ...common };
    // The page names the tenant in what it asks, so that no other link in this browser changes what it acts on.
    const { tenantId } = principal as TenantPrincipal;
    return { tenantId, returnUrl, locale, ...common };
  }

  return async (app) => {
    app.addHook('onRoute', (route) => {
      route.bodyLimit = MAX_BODY_BYTES;
      route.schema = { ...route.schema, hide: true };
    });
    app.addHook('onRequest', async (_request, reply) => {
      reply.header('cache-control', 'no-store');
    });

    app.post('/admin/session', async (request, reply) => {
      rejectOtherOrigins(request);
      const { key } = validInput(request.body, signInBody, 'body');
      const session = await sessions.signIn(key.trim(), clientAddress(request));
      setCookie(request, reply, 'operator', session);
      return describe(request, session);
    });
    app.post('/billing/session', async (request, reply) => {
      rejectOtherOrigins(request);
      const { link } = validInput(request.body, linkBody, 'body');
      const session = await sessions.exchange(link);
      setCookie(request, reply, 'billing', session);
      return describe(request, session);
    });
    for (const [path, kind] of [
      ['/admin/session', 'operator'],
      ['/billing/session', 'billing'],
    ] as const) {
      app.get(path, async (request) => {
        rejectOtherOrigins(request);
        const token = sessionTokens(request)[kind];
        if (!token) throw unauthenticated('Nobody is signed in');
        return describe(request, await sessions.read(token, kind));
      });
      app.delete(path, async (request, reply) => {
        rejectOtherOrigins(request);
        const token = sessionTokens(request)[kind];
        if (token) await sessions.end(token);
        return reply
          .header('set-cookie', cookieOf(request, kind, '', new Date(0)))
          .code(204)
          .send();
      });
    }
  };
}
