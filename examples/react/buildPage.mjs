import { build } from 'vite';

const PACKAGES = `${import.meta.dirname}/../../packages`;

/** @param {string} outDir where the page is written to, as your own bundler does it */
export async function buildPage(outDir) {
  process.env.NODE_ENV = 'production';
  await build({
    configFile: false,
    root: `${import.meta.dirname}/page`,
    logLevel: 'warn',
    resolve: {
      // In your project the packages are installed.
      alias: [
        { find: /^@continuum-billing\/react\/styles\.css$/, replacement: `${PACKAGES}/react/styles.css` },
        { find: /^@continuum-billing\/(react|client)$/, replacement: `${PACKAGES}/$1/src/index.ts` },
      ],
    },
    build: { outDir, emptyOutDir: true },
  });
}
