const DUPLICATE_KEY = 11_000;

/** Whether MongoDB rejected a write because a document with this key exists. */
export const isDuplicateKey = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === DUPLICATE_KEY;
