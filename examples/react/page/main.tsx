import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client';
import { ApolloProvider } from '@apollo/client/react';
import { BillingProvider, CurrentPlan, UsageMeter } from '@continuum-billing/react';
import { StrictMode, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';
import '@continuum-billing/react/styles.css';
import { Lamps } from './Lamps.js';
import { limitLink, type PlanLimit } from './limitLink.js';
import { UpgradeDialog } from './UpgradeDialog.js';
import './page.css';

const fetchToken = async () => (await fetch('/billing-token', { method: 'POST' })).json();

function App({ billingUrl }: { billingUrl: string }) {
  const [limit, setLimit] = useState<PlanLimit | null>(null);
  const client = useMemo(
    () =>
      new ApolloClient({
        link: ApolloLink.from([limitLink(setLimit), new HttpLink({ uri: '/graphql' })]),
        cache: new InMemoryCache(),
      }),
    [],
  );
  return (
    <ApolloProvider client={client}>
      <BillingProvider url={billingUrl} token={fetchToken}>
        <main>
          <h1>Lamps</h1>
          <CurrentPlan />
          <Lamps />
          <UsageMeter period="MINUTE" />
          <UsageMeter />
          {limit && <UpgradeDialog limit={limit} onClose={() => setLimit(null)} />}
        </main>
      </BillingProvider>
    </ApolloProvider>
  );
}

const { billingUrl } = await (await fetch('/config.json')).json();
createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <App billingUrl={billingUrl} />
  </StrictMode>,
);
