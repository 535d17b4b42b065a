/** Names of the errors that the driver throws while it reaches no primary. The classes come from several packages. */
const UNAVAILABLE = new Set([
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

/**
 * Error codes of a server that is stepping down or shutting down, and of one that takes no writes: a hosted MongoDB blocks
 * them when its disk is nearly full (371), and one with too little room for an index or a sort says so (14031).
 */
const UNAVAILABLE_CODES = new Set([91, 189, 371, 10107, 11600, 11602, 13435, 13436, 14031]);

/** For a write that failed, MongoDB has no code of its own. */
const UNKNOWN_ERROR = 8;
const DISK_FULL = /No space left on device/;

/**
 * Error codes of a broken socket. The driver passes some on without a MongoError around them, such as the EPIPE of a
 * write to a server that has just died.
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

/** Error labels of transactions that were cut off with the connection. */
const LABELS = ['TransientTransactionError', 'UnknownTransactionCommitResult', 'RetryableWriteError'];

/** MongoDB's code for a write that a unique index rejects. */
const DUPLICATE_KEY = 11_000;

/** Whether a write, or one write of a batch, was rejected because a document with this key exists. */
export const isDuplicateKey = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === DUPLICATE_KEY;

/** Whether an error means that MongoDB cannot be used now, rather than that the request was wrong. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, message, cause, errorResponse } = error as Error & {
    code?: unknown;
    errorResponse?: unknown;
  };
  // A bulk write has the original error in `errorResponse`.
  return (
    LABELS.some((label) => (error as { hasErrorLabel?(name: string): boolean }).hasErrorLabel?.(label)) ||
    UNAVAILABLE.has(error.name) ||
    UNAVAILABLE_CODES.has(code as number) ||
    SOCKET_CODES.has(code as string) ||
    (code === UNKNOWN_ERROR && DISK_FULL.test(message)) ||
    [cause, errorResponse].some((inner) => inner !== error && isDatabaseUnavailable(inner))
  );
}
