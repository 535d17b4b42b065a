import type { IncomingHttpHeaders } from 'node:http';
import { apiKeyOfHeaders } from '@continuum-billing/limits/core';
import { parseCookie } from 'cookie';
import type { Credential } from '../services/accounts/callers.js';

/** Whose session a page has: the operator's dashboard, or a tenant's billing page. */
export type SessionKind = 'operator' | 'billing';

export const SESSION_COOKIES: Record<SessionKind, string> = {
  operator: 'ctm_operator',
  billing: 'ctm_billing',
};

const SESSION_HEADER = 'x-session';

/** What a request says of where it comes from and where it goes to. */
export interface Sender {
  headers: IncomingHttpHeaders;
  /** The host by which the client reached the server, with its port. */
  host: string;
  /** Where clients reach the server, if that is configured. */
  publicUrl: string | null;
}

/**
 * The key or token of a request; else the session of the page that sent it. A cookie counts only for requests of this
 * server's own pages, because a browser adds it to those of other sites on the same domain as well.
 * @param wanted which page's session, if the browser has both; default: what the header `x-session` says, else either
 */
export function credentialOf(sender: Sender, wanted?: SessionKind): Credential | null {
  const { headers } = sender;
  const key = apiKeyOfHeaders(headers);
  if (key !== null) return { kind: 'key', text: key };
  const token = headers.cookie ? sessionToken(sender, wanted ?? kindOf(headers[SESSION_HEADER])) : null;
  return token && isSameOrigin(sender) ? { kind: 'session', text: token } : null;
}

/** The cookie of a page's session. */
export function sessionToken({ headers }: Pick<Sender, 'headers'>, kind: SessionKind | null): string | null {
  const cookies = parseCookie(headers.cookie ?? '');
  const kinds = kind ? [kind] : (['operator', 'billing'] as const);
  for (const one of kinds) {
    const token = cookies[SESSION_COOKIES[one]];
    if (token) return token;
  }
  return null;
}

const kindOf = (text: string | string[] | undefined): SessionKind | null =>
  text === 'operator' || text === 'billing' ? text : null;

/** Browsers send `Origin` with every request that is not a plain GET, and `Sec-Fetch-Site` with the others. */
export function isSameOrigin({ headers, host, publicUrl }: Sender): boolean {
  const { origin } = headers;
  if (origin === undefined) return headers['sec-fetch-site'] === 'same-origin';
  if (publicUrl && URL.canParse(publicUrl) && origin === new URL(publicUrl).origin) return true;
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}
