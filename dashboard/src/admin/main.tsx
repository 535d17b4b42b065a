import { ApolloProvider } from '@apollo/client/react';
import { StrictMode, useEffect, useMemo } from 'react';
import { createRoot } from 'react-dom/client';
import { RouterProvider } from 'react-router/dom';
import { createClient } from '../api/client.js';
import { explain } from '../api/errors.js';
import { createLive, LiveContext } from '../api/live.js';
import '../design/base.css';
import { DesignProvider, ErrorState, startTheme } from '../design/index.js';
import { createRouter } from './router.js';
import { SignIn } from './SignIn.js';
import { SessionProvider, useSession } from './session.js';

function Admin() {
  const { state, check } = useSession();
  switch (state.status) {
    case 'loading':
      return null;
    case 'unknown':
      return (
        <main>
          <h1 className="visuallyHidden">Continuum Billing</h1>
          <ErrorState error={state.error} onRetry={check} />
        </main>
      );
    case 'signedOut':
      return <SignIn reason={state.reason} />;
    case 'signedIn':
      return <SignedIn />;
  }
}

/** Remounted for each session, so that no one sees what another operator has read. */
function SignedIn() {
  const { expired } = useSession();
  const { client, live, router } = useMemo(
    () => ({
      client: createClient({ session: 'operator', onSignedOut: expired }),
      live: createLive(),
      router: createRouter(),
    }),
    [expired],
  );
  useEffect(() => () => void live.dispose(), [live]);
  return (
    <ApolloProvider client={client}>
      <LiveContext value={live}>
        <RouterProvider router={router} />
      </LiveContext>
    </ApolloProvider>
  );
}

startTheme();
createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <DesignProvider explain={explain}>
      <SessionProvider>
        <Admin />
      </SessionProvider>
    </DesignProvider>
  </StrictMode>,
);
