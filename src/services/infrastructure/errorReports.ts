import { BillingError, ErrorCode } from '../../common/errors.js';
import { type DescribedError, describeError } from '../../common/scrub.js';
import type { SentryConfig } from '../../config/config.js';
import { importOptional } from './optionalPackage.js';

/** Reports errors that nobody expected to Sentry. */
export interface ErrorReports {
  /** @param event the log line's name @param fields the log line's fields */
  report(level: ReportLevel, event: string, fields: ReportedFields): void;
  /** Waits until all reports are sent, at most some seconds. */
  flush(): Promise<void>;
}

export type ReportLevel = 'warning' | 'error' | 'fatal';

/** The fields of a log line that are reported. All others stay in the log. */
export interface ReportedFields {
  err?: unknown;
  requestId?: unknown;
  tenantId?: unknown;
  operation?: unknown;
}

const MAX_WAITING = 64;
const SEND_MS = 5_000;
const FLUSH_MS = 2_000;
/** An outage makes one log line for each attempt; Sentry needs to see only the first few. */
const PERIOD_MS = 60_000;
const MAX_PER_EVENT = 10;
const MAX_PER_PERIOD = 100;

interface SentryFrame {
  filename?: string;
}
interface SentryEvent {
  [field: string]: unknown;
  contexts?: Record<string, unknown>;
}
/** The part of `@sentry/core` that is used; a test compares it with the package. */
export interface SentryCore {
  createTransport(
    options: object,
    send: (request: { body: string | Uint8Array }) => PromiseLike<object>,
  ): unknown;
  createStackParser(parser: unknown): (stack: string) => SentryFrame[];
}
export interface SentryServer {
  nodeStackLineParser(): unknown;
  ServerRuntimeClient: new (
    options: object,
  ) => { init(): void; captureEvent(event: object): string; flush(timeoutMs: number): PromiseLike<boolean> };
}

/**
 * A client with no integration: nothing is captured but what `report` passes on, so no body, header, variable or console line
 * can be among it.
 */
export async function createErrorReports({ dsn, environment, release }: SentryConfig): Promise<ErrorReports> {
  const [core, server] = await importOptional<[SentryCore, SentryServer]>(
    ['@sentry/core', '@sentry/core/server'],
    'SENTRY_DSN',
  );
  const parseStack = core.createStackParser(server.nodeStackLineParser());
  const client = new server.ServerRuntimeClient({
    dsn,
    environment,
    release,
    platform: 'node',
    runtime: { name: 'node', version: process.version },
    integrations: [],
    stackParser: parseStack,
    sendDefaultPii: false,
    sendClientReports: false,
    maxBreadcrumbs: 0,
    traceLifecycle: 'static',
    beforeSend: allowed,
    transport: (options: { url: string; headers?: Record<string, string> }) =>
      core.createTransport({ ...options, bufferSize: MAX_WAITING }, ({ body }) => send(options, body)),
  });
  client.init();
  const isWithinRate = createRate();

  return {
    report(level, event, { err, requestId, tenantId, operation }) {
      if (isCallersMistake(err) || !isWithinRate(event)) return;
      client.captureEvent({
        level,
        logger: event,
        exception: { values: exceptionsOf(describeError(err), parseStack) },
        tags: textsOf({ event, requestId, tenantId, operation }),
      });
    },
    async flush() {
      await client.flush(FLUSH_MS);
    },
  };
}

const isCallersMistake = (error: unknown): boolean =>
  error instanceof BillingError && error.code !== ErrorCode.SERVICE_UNAVAILABLE;

const textsOf = (tags: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(tags).filter((tag): tag is [string, string] => typeof tag[1] === 'string'),
  );

/** Sentry lists the error that caused all others first. */
function exceptionsOf(
  { type, message, stack, cause }: DescribedError,
  parseStack: (stack: string) => SentryFrame[],
): object[] {
  const own = { type, value: message, ...(stack && { stacktrace: { frames: parseStack(stack) } }) };
  return cause ? [...exceptionsOf(cause, parseStack), own] : [own];
}

/** Rebuilds an event from the fields that may leave the process. Whatever the client adds in a later version stays here. */
function allowed(event: SentryEvent): SentryEvent {
  const { event_id, timestamp, platform, level, logger, environment, release, sdk, exception, tags } = event;
  const runtime = event.contexts?.runtime;
  return {
    event_id,
    timestamp,
    platform,
    level,
    logger,
    environment,
    release,
    sdk,
    exception,
    tags,
    contexts: { runtime },
  };
}

async function send(
  { url, headers }: { url: string; headers?: Record<string, string> },
  body: string | Uint8Array,
): Promise<object> {
  const response = await fetch(url, {
    method: 'POST',
    body: body as NonNullable<RequestInit['body']>,
    headers: { 'content-type': 'application/x-sentry-envelope', ...headers },
    redirect: 'error',
    signal: AbortSignal.timeout(SEND_MS),
  });
  await response.body?.cancel();
  return {
    statusCode: response.status,
    headers: {
      'x-sentry-rate-limits': response.headers.get('x-sentry-rate-limits'),
      'retry-after': response.headers.get('retry-after'),
    },
  };
}

function createRate(): (event: string) => boolean {
  const counts = new Map<string, number>();
  let total = 0;
  let endsAt = 0;
  return (event) => {
    const now = performance.now();
    if (now >= endsAt) {
      counts.clear();
      total = 0;
      endsAt = now + PERIOD_MS;
    }
    const count = counts.get(event) ?? 0;
    if (count >= MAX_PER_EVENT || total >= MAX_PER_PERIOD) return false;
    counts.set(event, count + 1);
    total++;
    return true;
  };
}
