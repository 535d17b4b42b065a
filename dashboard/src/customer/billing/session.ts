import { isBillingError } from '@continuum-billing/client';
import { useCallback, useEffect, useState } from 'react';
import { callRoute } from '../../api/routes.js';

/** What the server says of the session of this page. */
export interface BillingSession {
  tenantId: string;
  returnUrl: string | null;
  locale: string | null;
  expiresAt: string;
}

export type SessionState =
  | { status: 'loading' }
  | { status: 'open'; session: BillingSession }
  /** Nobody has a session: the page was opened without a link. */
  | { status: 'none' }
  /** `usable`: there is a session from before, which may be another tenant's. */
  | { status: 'badLink'; reason: string; usable: boolean }
  | { status: 'ended'; returnUrl: string | null }
  /** Another account was opened in this browser. */
  | { status: 'replaced' }
  | { status: 'unknown'; error: unknown };

const SESSION = '/billing/session';
/** How the server rejects what cannot be a link, however long it is. */
const NO_LINK: ReadonlySet<string> = new Set(['BAD_USER_INPUT', 'PAYLOAD_TOO_LARGE']);
const MAX_TIMER_MS = 2 ** 31 - 1;

function takeLink(): string | null {
  const link = new URLSearchParams(location.hash.slice(1)).get('link');
  // Neither the history nor a copied address has it, whether it works or not.
  if (link !== null) history.replaceState(history.state, '', location.pathname + location.search);
  return link;
}

async function begin(): Promise<SessionState> {
  const link = takeLink();
  if (link === null) return find();
  try {
    return { status: 'open', session: await callRoute<BillingSession>('POST', SESSION, { link }) };
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === null) return { status: 'unknown', error };
    return { status: 'badLink', reason, usable: (await find()).status === 'open' };
  }
}

async function find(): Promise<SessionState> {
  try {
    return { status: 'open', session: await callRoute<BillingSession>('GET', SESSION) };
  } catch (error) {
    return isBillingError(error, 'UNAUTHENTICATED') ? { status: 'none' } : { status: 'unknown', error };
  }
}

/** Why a link opens nothing; null if the server did not say. */
function reasonOf(error: unknown): string | null {
  if (isBillingError(error, 'UNAUTHENTICATED')) return String(error.details.reason ?? 'ENDED');
  return isBillingError(error) && NO_LINK.has(error.code) ? 'UNKNOWN' : null;
}

/** A link works once, so that it is exchanged once, however often React renders. */
let beginning: Promise<SessionState> | null = null;

export function useBillingSession() {
  const [state, setState] = useState<SessionState>({ status: 'loading' });

  const open = useCallback(async () => {
    beginning ??= begin();
    setState(await beginning);
  }, []);

  const again = useCallback(() => {
    beginning = null;
    setState({ status: 'loading' });
    void open();
  }, [open]);

  const end = useCallback(() => {
    setState((before) =>
      before.status === 'open' ? { status: 'ended', returnUrl: before.session.returnUrl } : before,
    );
  }, []);

  const replaced = useCallback(() => {
    setState((before) => (before.status === 'open' ? { status: 'replaced' } : before));
  }, []);

  useEffect(() => {
    void open();
    // A new link in the same tab is a change of the fragment, not another page.
    const onHash = () => location.hash.includes('link=') && again();
    addEventListener('hashchange', onHash);
    return () => removeEventListener('hashchange', onHash);
  }, [open, again]);

  const expiresAt = state.status === 'open' ? state.session.expiresAt : null;
  useEffect(() => {
    if (expiresAt === null) return;
    const wait = Math.min(Math.max(Date.parse(expiresAt) - Date.now(), 0), MAX_TIMER_MS);
    const timer = setTimeout(end, wait);
    return () => clearTimeout(timer);
  }, [expiresAt, end]);

  return { state, again, end, replaced };
}
