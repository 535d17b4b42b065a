import { destination, type Logger, type LoggerOptions, pino } from 'pino';
import { describeError } from './common/scrub.js';

/** Names of fields that hold secrets. */
const SECRET_FIELDS = ['secret', 'apiKey', 'token', 'password', 'authorization', 'cookie'];
const SECRET_HEADERS = ['x-api-key', 'x-gateway-secret', 'stripe-signature', 'authorization', 'cookie'];

/** What waits for a slow reader of standard output. Further lines are counted and dropped, so that the server goes on. */
const MAX_WAITING_BYTES = 16 * 1_048_576;

/** No line is meant to have a secret in it; this is for the day when one has. */
export const logOptions: LoggerOptions = {
  redact: [
    ...SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]),
    ...SECRET_HEADERS.flatMap((name) => [`headers["${name}"]`, `*.headers["${name}"]`]),
  ],
  serializers: { err: describeError },
};

/**
 * The log of a process: JSON lines on standard output, written while the event loop goes on. Under load, one write takes all
 * lines that have gathered since the last one.
 */
export function createLog(level: string): Logger {
  const stdout = destination({ fd: 1, sync: false, maxLength: MAX_WAITING_BYTES });
  const log = pino({ ...logOptions, level }, stdout);
  let dropped = 0;
  stdout.on('drop', () => dropped++);
  stdout.on('drain', () => {
    if (dropped > 0) log.warn({ lines: dropped }, 'log.lines_dropped');
    dropped = 0;
  });
  return log;
}

/** Resolves when all lines have been written. */
export const flushLog = (log: Logger): Promise<void> => new Promise((resolve) => log.flush(() => resolve()));
