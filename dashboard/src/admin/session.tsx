import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { codeOf } from '../api/errors.js';
import { callRoute } from '../api/routes.js';

export type Role = 'OWNER' | 'SUPPORT' | 'PROVISION' | 'READ';

/** What the server says about the person who is signed in, and about itself. */
export interface OperatorSession {
  role: Role;
  /** null: ADMIN_API_KEY. */
  keyId: string | null;
  expiresAt: string;
  /** Which Stripe the server talks to: `mock` is the one inside it. */
  mode: string;
  version: string;
}

export type SessionState =
  | { status: 'loading' }
  /** The server did not say; nobody was signed out. */
  | { status: 'unknown'; error: unknown }
  | { status: 'signedOut'; reason: string | null }
  | { status: 'signedIn'; session: OperatorSession };

interface SessionActions {
  state: SessionState;
  /** @throws BillingClientError */
  signIn(key: string): Promise<void>;
  signOut(): Promise<void>;
  /** Asks the server again. */
  check(): Promise<void>;
  /** An answer said that the session has ended. */
  expired(): void;
}

const SessionContext = createContext<SessionActions | null>(null);

const EXPIRED = 'Your session has ended. Sign in again to go on where you were.';
/** The longest that setTimeout can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export function SessionProvider({ children }: { children: ReactNode }) {
  const [state, setState] = useState<SessionState>({ status: 'loading' });
  const wasSignedIn = useRef(false);

  const enter = useCallback((session: OperatorSession) => {
    wasSignedIn.current = true;
    setState({ status: 'signedIn', session });
  }, []);

  const expired = useCallback(() => {
    setState((before) =>
      before.status === 'signedOut'
        ? before
        : { status: 'signedOut', reason: wasSignedIn.current ? EXPIRED : null },
    );
  }, []);

  const check = useCallback(async () => {
    try {
      enter(await callRoute<OperatorSession>('GET', '/admin/session'));
    } catch (error) {
      if (codeOf(error) === 'UNAUTHENTICATED') expired();
      // While the server is away, a page that is open stays open: its own queries say what is wrong.
      else setState((before) => (before.status === 'signedIn' ? before : { status: 'unknown', error }));
    }
  }, [enter, expired]);

  useEffect(() => {
    void check();
    // Somebody may have signed out in another tab, or this computer may have slept.
    const onVisible = () => document.visibilityState === 'visible' && void check();
    document.addEventListener('visibilitychange', onVisible);
    return () => document.removeEventListener('visibilitychange', onVisible);
  }, [check]);

  const expiresAt = state.status === 'signedIn' ? state.session.expiresAt : null;
  useEffect(() => {
    if (expiresAt === null) return;
    const wait = Math.min(Math.max(Date.parse(expiresAt) - Date.now() + 1_000, 1_000), MAX_TIMER_MS);
    const timer = setTimeout(check, wait);
    return () => clearTimeout(timer);
  }, [expiresAt, check]);

  const actions = useMemo<SessionActions>(
    () => ({
      state,
      check,
      expired,
      async signIn(key) {
        enter(await callRoute<OperatorSession>('POST', '/admin/session', { key }));
      },
      async signOut() {
        await callRoute('DELETE', '/admin/session');
        wasSignedIn.current = false;
        setState({ status: 'signedOut', reason: 'You are signed out.' });
      },
    }),
    [state, check, expired, enter],
  );
  return <SessionContext value={actions}>{children}</SessionContext>;
}

export function useSession(): SessionActions {
  const actions = useContext(SessionContext);
  if (!actions) throw new Error('useSession needs a SessionProvider');
  return actions;
}

/** What each role includes beside itself, like the server's rules: OWNER everything, all of them reading. */
function includes(role: Role, wanted: Role): boolean {
  return role === 'OWNER' || role === wanted || (wanted === 'READ' && role === 'SUPPORT');
}

export interface Operator extends OperatorSession {
  isMock: boolean;
  /** Whether the role allows what needs `role`. The server decides; this only hides what it would reject. */
  can(role: Role): boolean;
}

/** Who is signed in. Only for what is shown inside the shell. */
export function useOperator(): Operator {
  const { state } = useSession();
  if (state.status !== 'signedIn') throw new Error('useOperator is for signed-in pages');
  const { session } = state;
  return { ...session, isMock: session.mode === 'mock', can: (role) => includes(session.role, role) };
}

/** Shows actions only to those whose role allows them. */
export function RoleGate({
  role,
  children,
  otherwise = null,
}: {
  role: Role;
  children: ReactNode;
  otherwise?: ReactNode;
}) {
  return <>{useOperator().can(role) ? children : otherwise}</>;
}
