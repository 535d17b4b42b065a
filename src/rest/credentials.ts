import type { IncomingHttpHeaders } from 'node:http';
import { apiKeyOfHeaders } from '@continuum-billing/limits/core';
import { parseCookie } from 'cookie';
import type { Credential } from '../services/accounts/callers.js';
import type { SessionPage } from '../services/accounts/sessions.js';

export const SESSION_COOKIES: Record<SessionPage, string> = {
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
export function credentialOf(sender: Sender, wanted?: SessionPage): Credential | null {
  const { headers } = sender;
  const key = apiKeyOfHeaders(headers);
  if (key !== null) return { kind: 'key', text: key };
  if (!headers.cookie || !isSameOrigin(sender)) return null;
  const tokens = sessionTokens(sender);
  const page = wanted ?? pageOf(headers[SESSION_HEADER]) ?? (tokens.operator ? 'operator' : 'billing');
  const text = tokens[page];
  return text ? { kind: 'session', page, text } : null;
}

/** The cookies of the sessions that a browser has. */
export function sessionTokens({ headers }: Pick<Sender, 'headers'>): Partial<Record<SessionPage, string>> {
  const cookies = parseCookie(headers.cookie ?? '');
  const { [SESSION_COOKIES.operator]: operator, [SESSION_COOKIES.billing]: billing } = cookies;
  return { ...(operator && { operator }), ...(billing && { billing }) };
}

const pageOf = (text: string | string[] | undefined): SessionPage | null =>
  text === 'operator' || text === 'billing' ? text : null;

/** Browsers send `Origin` with every request that is not a plain GET, and `Sec-Fetch-Site` with the others. */
export function isSameOrigin({ headers, host, publicUrl }: Sender): boolean {
  const { origin } = headers;
  if (origin === undefined) return headers['sec-fetch-site'] === 'same-origin';
  const own = publicUrl === null ? null : new URL(publicUrl).origin;
  // A page that came over http could have been written by anyone on the way.
  if (own === origin || own?.startsWith('https:')) return own === origin;
  return origin === `http://${host.toLowerCase()}` || origin === `https://${host.toLowerCase()}`;
}
