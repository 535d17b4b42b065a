import { isBillingError } from '@continuum-billing/client';
import { BillingProvider } from '@continuum-billing/react';
import { Link2Off, ReceiptText, TimerOff } from 'lucide-react';
import { useEffect, useMemo } from 'react';
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
  toast,
} from '../../design/index.js';
import { supportOf, useBrand } from '../brand.js';
import { sessionClient } from '../client.js';
import { Shell } from '../Shell.js';
import { Account } from './Account.js';
import { type BillingSession, useBillingSession } from './session.js';

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

/** With a provider of its own, so that nothing of another tenant is left. */
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
  const client = useMemo(sessionClient, []);
  const brand = useBrand();
  // Before anything is formatted.
  useMemo(() => setLocale(locale ?? 'en-US'), [locale]);
  useEffect(() => {
    // The texts are English, whatever the format of the numbers.
    document.documentElement.lang = locale && /^en\b/i.test(locale) ? locale : 'en';
  }, [locale]);
  return (
    <BillingProvider
      client={client}
      // If another link was opened in this browser, the server rejects what this page asks.
      tenant={{ tenantId }}
      locale={locale ?? 'en-US'}
      productName={brand.productName}
      supportUrl={supportOf(brand)?.href ?? null}
      onNotice={(title) => toast({ title })}
      onError={(error) => {
        if (isBillingError(error, 'UNAUTHENTICATED')) onEnd();
        if (isBillingError(error, 'FORBIDDEN')) onReplaced();
      }}
    >
      <Account returnUrl={returnUrl} />
    </BillingProvider>
  );
}
