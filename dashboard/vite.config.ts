import type { AddressInfo } from 'node:net';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';
import { inlineDocuments } from './inlineDocuments.js';

const PACKAGES = `${import.meta.dirname}/../packages`;
/** The billing server, which `npm run dev` starts. */
const SERVER = `http://127.0.0.1:${process.env.PORT ?? 4000}`;
/** What Vite itself serves. Everything else belongs to the server: GraphQL, sessions, mock pages, the brand. */
const OWN_PATHS = '@|src/|node_modules/|packages/|admin\\.html|customer\\.html';

/** In development, serves the same HTML for the same paths as src/rest/pages.ts. */
function pages(): Plugin {
  return {
    name: 'pages',
    configureServer(server) {
      const { httpServer, config } = server;
      httpServer?.once('listening', () => {
        const { port } = httpServer.address() as AddressInfo;
        config.logger.warn(`Dashboard, reloaded on change: http://localhost:${port}/admin`);
      });
      server.middlewares.use((request, _response, next) => {
        const [path = '/', query] = (request.url ?? '/').split('?');
        if (request.headers.accept?.includes('text/html')) {
          const page = /^\/admin(\/|$)/.test(path)
            ? '/admin.html'
            : /^\/(billing|upgrade)(\/|$)/.test(path)
              ? '/customer.html'
              : null;
          if (page) request.url = query ? `${page}?${query}` : page;
        }
        next();
      });
    },
  };
}

export default defineConfig({
  root: import.meta.dirname,
  base: '/',
  appType: 'mpa',
  publicDir: false,
  plugins: [pages(), inlineDocuments(`${import.meta.dirname}/src`), react()],
  resolve: {
    // The packages as they are written, not as they were built last.
    alias: [
      { find: /^@continuum-billing\/react\/styles\.css$/, replacement: `${PACKAGES}/react/styles.css` },
      { find: /^@continuum-billing\/react\/core$/, replacement: `${PACKAGES}/react/src/core.ts` },
      { find: /^@continuum-billing\/(react|client)$/, replacement: `${PACKAGES}/$1/src/index.ts` },
    ],
  },
  css: { modules: { localsConvention: 'camelCaseOnly' } },
  server: {
    // Vite's own WebSocket, at a path that is not passed on.
    hmr: { path: '@hmr' },
    // The Host stays the browser's, so that the server sees requests of its own origin.
    proxy: { [`^/(?!${OWN_PATHS})`]: { target: SERVER, changeOrigin: false, ws: true } },
  },
  build: {
    // Browsers with CSS light-dark() and nesting.
    target: ['chrome123', 'firefox124', 'safari17.5'],
    manifest: true,
    modulePreload: { polyfill: false },
    // Nothing is inlined: the Content-Security-Policy allows files of this server only.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rolldownOptions: {
      input: {
        admin: `${import.meta.dirname}/admin.html`,
        customer: `${import.meta.dirname}/customer.html`,
      },
      output: {
        codeSplitting: {
          groups: [
            // Both entries need these, and they change seldom. Charts stay in the chunk that loads them.
            {
              name: 'libraries',
              test: /node_modules\/(react|react-dom|scheduler|react-router|@apollo\/client|graphql|graphql-ws|rxjs|@wry|optimism)\//,
            },
          ],
        },
      },
    },
  },
});
