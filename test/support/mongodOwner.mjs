/**
 * A server process in miniature, to be killed by tests: starts MongoDB on a data directory, prints one JSON line, stays.
 * Usage: node mongodOwner.mjs <mongod> <dataDir>
 */
import { registerHooks } from 'node:module';

// Node strips types by itself but resolves no `.js` import to the `.ts` file it was written in.
const SOURCES = new URL('../../packages/embedded-mongod/src/', import.meta.url).href;
registerHooks({
  resolve(specifier, context, next) {
    const own = specifier.startsWith('./') && context.parentURL?.startsWith(SOURCES);
    return next(own ? specifier.replace(/\.js$/, '.ts') : specifier, context);
  },
});

const [binary, dataDir] = process.argv.slice(2);
const { startMongod } = await import('../../packages/embedded-mongod/src/process.ts');
const { uri, pid } = await startMongod({ binary, dataDir, log: () => {} });
// A Ctrl-C reaches the whole group: this process drains, as the real one does, and so does not end here.
process.on('SIGINT', () => process.stdout.write('draining\n'));
const stay = setInterval(() => {}, 60_000);
// The bug to guard against: the server's work ends, and nobody has stopped MongoDB.
process.on('SIGTERM', () => clearInterval(stay));
// Last: whoever reads it may send signals at once.
process.stdout.write(`${JSON.stringify({ uri, pid })}\n`);
