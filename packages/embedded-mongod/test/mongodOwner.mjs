/**
 * A minimal server process for tests to kill: starts MongoDB on a data directory, prints one JSON line, and stays.
 * Usage: node mongodOwner.mjs <mongod> <dataDir>
 */
import { registerHooks } from 'node:module';

// Node strips types by itself, but does not resolve a `.js` import to its `.ts` source.
const SOURCES = new URL('../src/', import.meta.url).href;
registerHooks({
  resolve(specifier, context, next) {
    const own = /^\.\.?\//.test(specifier) && context.parentURL?.startsWith(SOURCES);
    return next(own ? specifier.replace(/\.js$/, '.ts') : specifier, context);
  },
});

const [binary, dataDir] = process.argv.slice(2);
const { startMongod } = await import('../src/process.ts');
const { uri, pid } = await startMongod({ binary, dataDir, log: () => {} });
// A Ctrl-C reaches the whole group. This process drains, as the real one does, so it does not end here.
process.on('SIGINT', () => process.stdout.write('draining\n'));
const stay = setInterval(() => {}, 60_000);
// The bug to guard against: the server's work ends, and nobody has stopped MongoDB.
process.on('SIGTERM', () => clearInterval(stay));
// Last, because its reader may send signals at once.
process.stdout.write(`${JSON.stringify({ uri, pid })}\n`);
