import type { Authenticator } from './authenticator.js';
import type { Principal } from './principal.js';
import type { Sessions } from './sessions.js';

/** What a request shows of its sender: a key or token, or the session of one of this server's pages. */
export type Credential = { kind: 'key'; text: string } | { kind: 'session'; text: string };

/** Finds out who sent a request. */
export interface Callers {
  /**
   * @returns null without a credential
   * @throws like `Authenticator.authenticate` and `Sessions.read`
   */
  identify(credential: Credential | null, address: string): Promise<Principal | null>;
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
      return (await sessions.read(credential.text)).principal;
    },
  };
}
