import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build, type Rolldown } from 'vite';
import type { TestServer, TestTenant } from './server.js';

/** A team's own site, with the parts of `packages/react` in its page, as the team's bundler makes it. */
export interface PartsSite {
  url: string;
  /** Where billing is; its tokens are fetched from there. */
  connect(billing: TestServer): void;
  /** The address of the page. @param tenant who is signed in; null: nobody */
  page(tenant: TestTenant | null, options?: Record<string, string>): string;
  /** How many tokens the page has asked for. */
  tokens(): number;
  /** How long a token lasts, in seconds; default: 900. */
  setTtl(seconds: number): void;
  close(): void;
}

export async function startPartsSite(): Promise<PartsSite> {
  const files = await bundle();
  let billing: TestServer | null = null;
  let tokens = 0;
  let ttlSeconds = 900;
  const site: Server = createServer(async ({ url = '/' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://site');
    if (pathname === '/token' && billing) {
      tokens++;
      const { data } = await billing.gql(
        'mutation ($input: CreateTenantTokenInput!) { createTenantToken(input: $input) { token expiresAt } }',
        {
          variables: {
            input: { tenantId: searchParams.get('tenant'), scopes: ['READ', 'BILLING'], ttlSeconds },
          },
        },
      );
      response.end(JSON.stringify(data.createTenantToken));
      return;
    }
    const file = files.get(pathname);
    response.setHeader('content-type', file?.type ?? 'text/html');
    response.end(file?.content ?? HTML);
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  const siteUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  return {
    url: siteUrl,
    connect: (server) => {
      billing = server;
    },
    page: (tenant, options = {}) =>
      `${siteUrl}/?${new URLSearchParams({ billing: billing?.url ?? '', ...(tenant && { tenant: tenant.id }), ...options })}`,
    tokens: () => tokens,
    setTtl: (seconds) => {
      ttlSeconds = seconds;
    },
    close: () => site.close(),
  };
}

const HTML = `<!doctype html><html lang="en"><head><title>Lamps</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/app.css"></head><body><div id="root"></div><script type="module" src="/app.js"></script></body></html>`;

async function bundle(): Promise<Map<string, { type: string; content: string }>> {
  const packages = `${import.meta.dirname}/../../packages`;
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    mode: 'production',
    // What vitest has set would otherwise decide that React is built for development.
    oxc: { jsx: { development: false } },
    resolve: {
      alias: [
        { find: /^@continuum-billing\/react\/styles\.css$/, replacement: `${packages}/react/styles.css` },
        { find: /^@continuum-billing\/(react|client)$/, replacement: `${packages}/$1/src/index.ts` },
      ],
    },
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      write: false,
      lib: {
        entry: `${import.meta.dirname}/parts/app.tsx`,
        formats: ['es'],
        fileName: 'app',
        cssFileName: 'app',
      },
    },
  });
  const [{ output }] = result as [Rolldown.RolldownOutput];
  return new Map(
    output.map((file) => [
      `/${file.fileName.endsWith('.css') ? 'app.css' : 'app.js'}`,
      {
        type: file.fileName.endsWith('.css') ? 'text/css' : 'text/javascript',
        content: file.type === 'chunk' ? file.code : String(file.source),
      },
    ]),
  );
}
