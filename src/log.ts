import { type DestinationStream, destination, type Logger, type LoggerOptions, pino } from 'pino';
import { describeError } from './common/scrub.js';
import type { ErrorReports, ReportedFields, ReportLevel } from './services/infrastructure/errorReports.js';

/** Names of fields that hold secrets. */
const SECRET_FIELDS = ['secret', 'apiKey', 'token', 'password', 'authorization', 'cookie'];
const SECRET_HEADERS = ['x-api-key', 'x-gateway-secret', 'stripe-signature', 'authorization', 'cookie'];

/** What waits for a slow reader of standard output. Further lines are counted and dropped, so that the server goes on. */
const MAX_WAITING_BYTES = 16 * 1_048_576;

const REPORTED_LEVELS: Readonly<Record<number, ReportLevel>> = { 40: 'warning', 50: 'error', 60: 'fatal' };

/**
 * A log that writes to a stream.
 *
 * Every line at `warn` or above that has an error in `err` is reported, so that nobody can forget to report it.
 * @param reports null: errors are only logged
 */
export function logTo(stream: DestinationStream, level: string, reports: ErrorReports | null): Logger {
  const options: LoggerOptions = {
    level,
    // No line is meant to have a secret in it; this is for the day when one has.
    redact: [
      ...SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]),
      ...SECRET_HEADERS.flatMap((name) => [`headers["${name}"]`, `*.headers["${name}"]`]),
    ],
    serializers: { err: describeError },
  };
  if (!reports) return pino(options, stream);
  return pino(
    {
      ...options,
      hooks: {
        logMethod(args, write, lineLevel) {
          const [fields, event] = args as unknown as [ReportedFields | string, string | undefined];
          const reported = REPORTED_LEVELS[lineLevel];
          if (reported && typeof fields === 'object' && fields.err !== undefined)
            reports.report(reported, event ?? 'error', fields);
          write.apply(this, args);
        },
      },
    },
    stream,
  );
}

/**
 * The log of a process: JSON lines on standard output, written while the event loop goes on. Under load, one write takes all
 * lines that have gathered since the last one.
 */
export function createLog(level: string, reports: ErrorReports | null): Logger {
  // With a minimum length of 0, `flush` would not wait.
  const stdout = destination({ fd: 1, sync: false, minLength: 1, maxLength: MAX_WAITING_BYTES });
  const log = logTo(stdout, level, reports);
  let dropped = 0;
  stdout.on('drop', () => dropped++);
  stdout.on('drain', () => {
    if (dropped > 0) log.warn({ lines: dropped }, 'log.lines_dropped');
    dropped = 0;
  });
  return log;
}

/** The log of a command, whose standard output is for its result: nothing is written, but errors are reported. */
export const silentLog = (reports: ErrorReports | null): Logger =>
  logTo({ write: () => undefined }, reports ? 'warn' : 'silent', reports);

/** Resolves when all lines have been written. */
export const flushLog = (log: Logger): Promise<void> => new Promise((resolve) => log.flush(() => resolve()));
