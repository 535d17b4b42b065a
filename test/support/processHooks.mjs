/** Started with `node --import`: says on standard error which packages of observability are loaded, and crashes on SIGUSR2. */
import { writeSync } from 'node:fs';
import { registerHooks } from 'node:module';

registerHooks({
  load(url, context, next) {
    const name = /node_modules\/(@sentry|@opentelemetry)\/[^/]+/.exec(url)?.[0];
    if (name) writeSync(2, `loaded ${name}\n`);
    return next(url, context);
  },
});

process.on('SIGUSR2', () => {
  throw new Error('a crash');
});
