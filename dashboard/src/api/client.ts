import { ApolloClient, ApolloLink, DocumentTransform, HttpLink } from '@apollo/client';
import { ErrorLink } from '@apollo/client/link/error';
import { createCache } from './cache.js';
import { codeOf } from './errors.js';
import { askable } from './sampleDomain.js';

const TIMEOUT_MS = 60_000;

/**
 * @param options.session null: none, for what anyone may read. The cookie of a session that has ended would be an error there
 * @param options.onSignedOut the session has ended: called for each operation that says so
 */
export function createClient(options: {
  session: 'operator' | null;
  onSignedOut?(message: string): void;
}): ApolloClient {
  const http = new HttpLink({
    uri: '/graphql',
    credentials: options.session ? 'same-origin' : 'omit',
    // JSON requests are never "simple", so that Apollo Server's CSRF prevention needs no header of its own.
    ...(options.session && { headers: { 'x-session': options.session } }),
    fetch: (uri, init = {}) => {
      const timeout = AbortSignal.timeout(TIMEOUT_MS);
      return fetch(uri, { ...init, signal: init.signal ? AbortSignal.any([init.signal, timeout]) : timeout });
    },
  });
  const signedOut = new ErrorLink(({ error }) => {
    if (codeOf(error) === 'UNAUTHENTICATED') options.onSignedOut?.(error.message);
  });
  return new ApolloClient({
    link: ApolloLink.from([signedOut, http]),
    cache: createCache(),
    documentTransform: new DocumentTransform(askable),
    // A page shows at once what is known and reads it again. What a mutation changed is then never stale for long.
    defaultOptions: {
      watchQuery: {
        fetchPolicy: 'cache-and-network',
        notifyOnNetworkStatusChange: true,
        // What nobody looks at is not polled.
        skipPollAttempt: () => document.hidden,
      },
    },
    devtools: { enabled: import.meta.env.DEV },
  });
}
