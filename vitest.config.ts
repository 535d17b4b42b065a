import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    // type-graphql and the tests must load one copy of graphql.
    alias: [
      { find: /^graphql$/, replacement: 'graphql/index.js' },
      // The packages as they are written, not as they were built last.
      {
        find: /^@continuum-billing\/([a-z-]+)$/,
        replacement: `${import.meta.dirname}/packages/$1/src/index.ts`,
      },
      {
        find: /^@continuum-billing\/([a-z-]+)\/([a-z]+)$/,
        replacement: `${import.meta.dirname}/packages/$1/src/$2.ts`,
      },
    ],
  },
  test: {
    include: ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
    globalSetup: ['test/support/globalSetup.ts'],
    // By default one core stays idle. Tests wait for MongoDB and for processes more than they compute.
    maxWorkers: '100%',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // For what happens by itself a moment later, as `soon` in test/support: vitest's own default is one second.
    expect: { poll: { timeout: 15_000, interval: 20 } },
    coverage: { provider: 'v8', include: ['src/**'], reporter: ['text-summary', 'html'] },
  },
});
