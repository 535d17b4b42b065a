/** What the driver throws while no primary can be reached, by name: the classes come from several packages. */
const AWAY = new Set([
  'MongoServerSelectionError',
  'MongooseServerSelectionError',
  'MongoNetworkError',
  'MongoNetworkTimeoutError',
  'MongoNotConnectedError',
  'MongoPoolClearedError',
  'MongoPoolClearedOnNetworkError',
  'MongoPoolClosedError',
  'MongoWaitQueueTimeoutError',
  'MongoOperationTimeoutError',
  'MongoTopologyClosedError',
  'MongoClientClosedError',
  'MongoNotPrimaryError',
]);

/** Codes of a server that is stepping down or shutting down. */
const AWAY_CODES = new Set([91, 189, 10107, 11600, 11602, 13435, 13436]);

/**
 * Of a socket that broke. The driver lets some through as Node made them: writing to a connection whose server has just
 * died is an EPIPE of its own, which no MongoError wraps.
 */
const SOCKET_CODES = new Set([
  'EPIPE',
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'ERR_SOCKET_CLOSED',
]);

/** Of transactions that broke off with the connection. */
const LABELS = ['TransientTransactionError', 'UnknownTransactionCommitResult', 'RetryableWriteError'];

/** MongoDB's code for a write that a unique index rejects. */
export const DUPLICATE_KEY = 11_000;

export const isDuplicateKey = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === DUPLICATE_KEY;

/** Whether an error means that MongoDB does not answer now, rather than that we asked something wrong. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, cause, errorResponse } = error as Error & { code?: unknown; errorResponse?: unknown };
  // A bulk hides what happened to it in `errorResponse`.
  return (
    LABELS.some((label) => (error as { hasErrorLabel?(name: string): boolean }).hasErrorLabel?.(label)) ||
    AWAY.has(error.name) ||
    AWAY_CODES.has(code as number) ||
    SOCKET_CODES.has(code as string) ||
    [cause, errorResponse].some((inner) => inner !== error && isDatabaseAway(inner))
  );
}
