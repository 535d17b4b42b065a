import type { Authenticator } from './authenticator.js';
import type { Principal } from './principal.js';
import { type SessionPage, type Sessions, sessionIdOf } from './sessions.js';

/** What a request shows of its sender: a key or token, or the session of one of this server's pages. */
export type Credential = { kind: 'key'; text: string } | { kind: 'session'; page: SessionPage; text: string };

/** A caller, and for how long it is one. */
export interface Identified {
  principal: Principal;
  /** When its credential ends, in milliseconds since the Unix epoch; infinite: never. */
  endsAtMs: number;
  /** null: it has no session. */
  sessionId: string | null;
  /** Whether the credential ends with another one, such as the key that created it. */
  dependsOnOthers: boolean;
}

/** Finds out who sent a request. */
export interface Callers {
  /**
   * @returns null without a credential
   * @throws like `Authenticator.authenticate` and `Sessions.read`
   */
  identify(credential: Credential | null, address: string): Promise<Principal | null>;
  /** The same for a client that stays connected. @throws like `identify` */
  describe(credential: Credential, address: string | null): Promise<Identified>;
}

export function createCallers({
  authenticator,
  sessions,
}: {
  authenticator: Authenticator;
  sessions: Sessions;
}): Callers {
  return {
    async identify(credential, address) {
      if (credential === null) return null;
      if (credential.kind === 'key') return authenticator.authenticate(credential.text, address);
      return (await sessions.read(credential.text, credential.page)).principal;
    },
    async describe(credential, address) {
      if (credential.kind === 'session') {
        const { principal, expiresAt } = await sessions.read(credential.text, credential.page);
        const sessionId = sessionIdOf(credential.text);
        return {
          principal,
          endsAtMs: Math.min(+expiresAt, endOf(principal)),
          sessionId,
          dependsOnOthers: true,
        };
      }
      const principal = await authenticator.authenticate(credential.text, address);
      const isToken = principal.kind === 'tenant' && principal.credential === 'token';
      return { principal, endsAtMs: endOf(principal), sessionId: null, dependsOnOthers: isToken };
    },
  };
}

const endOf = (principal: Principal): number =>
  principal.kind === 'service'
    ? Number.POSITIVE_INFINITY
    : (principal.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY);
