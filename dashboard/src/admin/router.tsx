import { FileQuestion } from 'lucide-react';
import { createBrowserRouter, type RouteObject, useRouteError } from 'react-router';
import { Button, ButtonLink, Callout, Card, EmptyState, PageHeader } from '../design/index.js';
import { Shell } from './Shell.js';

/** A page is loaded when somebody goes there. */
const page = (load: () => Promise<{ default: React.ComponentType }>): Pick<RouteObject, 'lazy'> => ({
  lazy: async () => ({ Component: (await load()).default }),
});

function NotFoundPage() {
  return (
    <>
      <PageHeader title="This page does not exist" />
      <Card>
        <EmptyState
          title="Nothing is at this address"
          icon={FileQuestion}
          action={<ButtonLink to="/">Go to the overview</ButtonLink>}
        >
          The link may be old, or was not copied whole.
        </EmptyState>
      </Card>
    </>
  );
}

/** Browsers have a TypeError of different words for a file of the page that did not load. */
const isNotLoaded = (error: unknown): boolean =>
  error instanceof TypeError && /import(ed|ing) a? ?module/i.test(error.message);

/** A part of the page threw, or a file of the page did not load. */
function BrokenPage() {
  const error = useRouteError();
  const message = error instanceof Error ? error.message : String(error);
  const actions = <Button onClick={() => location.reload()}>Reload</Button>;
  if (isNotLoaded(error))
    return (
      <>
        <PageHeader title="This page could not be loaded" />
        <Callout tone="warning" title="A file of the page did not arrive" actions={actions}>
          Either the server cannot be reached, or it was updated while this tab was open. Reload when it runs
          again. Nothing was changed on the server by this.
        </Callout>
      </>
    );
  return (
    <>
      <PageHeader title="This page broke" />
      <Callout tone="danger" title="Something in the page did not work" actions={actions}>
        Nothing was changed on the server by this. Reload the page. The browser says: {message}
      </Callout>
    </>
  );
}

export function createRouter() {
  return createBrowserRouter(
    [
      {
        Component: Shell,
        HydrateFallback: () => null,
        children: [
          {
            ErrorBoundary: BrokenPage,
            children: [
              { index: true, ...page(() => import('./overview/index.js')) },
              { path: 'tenants', ...page(() => import('./tenants/index.js')) },
              { path: 'tenants/:tenantId', ...page(() => import('./tenant/index.js')) },
              { path: 'webhooks', ...page(() => import('./webhooks/index.js')) },
              { path: 'usage-reports', ...page(() => import('./usageReports/index.js')) },
              { path: 'reconcile', ...page(() => import('./reconcile/index.js')) },
              { path: 'catalogue', ...page(() => import('./catalogue/index.js')) },
              { path: 'operators', ...page(() => import('./operators/index.js')) },
              { path: 'audit-log', ...page(() => import('./auditLog/index.js')) },
              { path: 'mock', ...page(() => import('./mockMode/index.js')) },
              { path: '*', Component: NotFoundPage },
            ],
          },
        ],
      },
    ],
    { basename: '/admin' },
  );
}
