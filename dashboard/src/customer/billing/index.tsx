import { ApolloProvider } from '@apollo/client/react';
import { Link2Off, ReceiptText, TimerOff } from 'lucide-react';
import { useEffect, useMemo } from 'react';
import { createClient } from '../../api/client.js';
import { setCustomerTexts } from '../../api/errors.js';
import { createLive, LiveContext } from '../../api/live.js';
import {
  Button,
  ButtonAnchor,
  Card,
  EmptyState,
  ErrorState,
  isWebAddress,
  PageHeader,
  Skeleton,
  setLocale,
} from '../../design/index.js';
import { supportOf, useBrand } from '../brand.js';
import { Shell } from '../Shell.js';
import { Account } from './Account.js';
import { type BillingSession, useBillingSession } from './session.js';

setCustomerTexts({
  NETWORK: [
    'The page cannot reach us',
    'Check your connection and try again. What did not arrive changed nothing.',
  ],
  UNAUTHENTICATED: ['Your session has ended', 'Open billing again from the product.'],
  FORBIDDEN: [
    'This page shows another account than you have open now',
    'Billing was opened for another account in this browser. Close this page and open billing again.',
  ],
  NOT_FOUND: ['It does not exist', 'Reload the page.'],
  BAD_USER_INPUT: [
    'This is not possible at the moment',
    'Reload the page: your plan may have changed meanwhile.',
  ],
  RATE_LIMITED: ['Too many requests', 'Wait a minute and try again.'],
  PAYMENT_PROVIDER_ERROR: [
    'This did not work at Stripe',
    'Try again in a minute, or check your payment method.',
  ],
  SERVICE_UNAVAILABLE: [
    'We cannot do this at the moment',
    'Try again in a minute, and look first whether it was done.',
  ],
  CONFLICT: ['Your plan changed meanwhile', 'Reload the page, and repeat it if it is still needed.'],
  FEATURE_NOT_AVAILABLE: ['Your plan does not have this', 'Choose a plan that does.'],
  INTERNAL_SERVER_ERROR: [
    'We had an error',
    'Try again. If it happens again, ask for help and name the request.',
  ],
});

export default function BillingPage() {
  const { state, again, end, replaced } = useBillingSession();
  const { productName } = useBrand();
  switch (state.status) {
    case 'loading':
      return (
        <Shell>
          <PageHeader title="Billing" />
          <Card>
            <Skeleton lines={6} />
          </Card>
        </Shell>
      );
    case 'open':
      return <Open key={state.session.tenantId} session={state.session} onEnd={end} onReplaced={replaced} />;
    case 'none':
      return (
        <Message title={`Open billing from ${productName}`} icon={ReceiptText}>
          Sign in to {productName} and choose billing there: it opens this page for your account.
        </Message>
      );
    case 'badLink': {
      const [title, text] = LINKS[state.reason] ?? LINKS.ENDED;
      return (
        <Message
          title={title}
          icon={Link2Off}
          action={state.usable && <Button onClick={again}>Show the account that is open</Button>}
        >
          {text} Go back to {productName} and open billing again; that makes a new link.
        </Message>
      );
    }
    case 'ended':
      return (
        <Message title="Your session has ended" icon={TimerOff} returnUrl={state.returnUrl}>
          For your security this page closes after a while. Nothing was lost. Go back to {productName} and
          open billing again.
        </Message>
      );
    case 'replaced':
      return (
        <Message
          title="This page showed another account than you have open now"
          icon={Link2Off}
          action={<Button onClick={again}>Show the account that is open</Button>}
        >
          Billing was opened for another account in this browser, so this page can do nothing more. Nothing
          was lost. To go back to the account from before, open billing again from {productName}.
        </Message>
      );
    case 'unknown':
      return (
        <Shell>
          <PageHeader title="Billing" />
          <Card>
            <ErrorState error={state.error} onRetry={again} />
          </Card>
        </Shell>
      );
  }
}

type LinkText = readonly [title: string, text: string];

const LINKS: Record<string, LinkText> & { ENDED: LinkText } = {
  EXPIRED: ['This link has expired', 'A link to billing works for 30 minutes.'],
  USED: [
    'This link was used already',
    'A link to billing works once. If it was not you who used it, tell us.',
  ],
  UNKNOWN: ['This link does not work', 'It is not complete, or too old.'],
  ENDED: ['This link does not work any more', 'It was withdrawn.'],
};

/** Instead of the page: what happened, and what to do. */
function Message({
  title,
  icon,
  returnUrl = null,
  action,
  children,
}: {
  title: string;
  icon: typeof TimerOff;
  returnUrl?: string | null;
  action?: React.ReactNode;
  children: React.ReactNode;
}) {
  const brand = useBrand();
  const support = supportOf(brand);
  return (
    <Shell>
      <PageHeader title="Billing" />
      <Card>
        <EmptyState
          title={title}
          icon={icon}
          action={
            <>
              {returnUrl && isWebAddress(returnUrl) && (
                <ButtonAnchor variant="primary" href={returnUrl}>
                  Back to {brand.productName}
                </ButtonAnchor>
              )}
              {action}
              {support && <ButtonAnchor href={support.href}>{support.label}</ButtonAnchor>}
            </>
          }
        >
          <p>{children}</p>
        </EmptyState>
      </Card>
    </Shell>
  );
}

/** With a client of its own, so that nothing of another tenant is left in its cache. */
function Open({
  session,
  onEnd,
  onReplaced,
}: {
  session: BillingSession;
  onEnd(): void;
  onReplaced(): void;
}) {
  const { tenantId, locale, returnUrl } = session;
  const { client, live } = useMemo(
    () => ({
      client: createClient({ session: 'billing', onSignedOut: onEnd, onForbidden: onReplaced }),
      live: createLive('billing'),
    }),
    [onEnd, onReplaced],
  );
  // Before anything is formatted.
  useMemo(() => setLocale(locale ?? 'en-US'), [locale]);
  useEffect(() => {
    // The texts are English, whatever the format of the numbers.
    document.documentElement.lang = locale && /^en\b/i.test(locale) ? locale : 'en';
  }, [locale]);
  return (
    <ApolloProvider client={client}>
      <LiveContext value={live}>
        <Account tenantId={tenantId} returnUrl={returnUrl} />
      </LiveContext>
    </ApolloProvider>
  );
}
