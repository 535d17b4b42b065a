/**
 * What an error's text may hold although nobody put it there: MongoDB's messages quote documents and connection strings, and
 * Stripe's quote requests.
 */
const SECRETS: readonly [pattern: RegExp, replacement: string][] = [
  // API keys, tokens, Stripe's keys and the secrets of webhooks: a prefix that is kept, and random characters.
  [/\b((?:ctm|sk|rk|whsec)_(?:live_|test_)?)[A-Za-z0-9_+/=-]{6,}/g, '$1[redacted]'],
  [/\bBearer\s+\S+/gi, 'Bearer [redacted]'],
  // Tenants' short-lived tokens, and web tokens.
  [/\b(ctt_)[\w.-]{6,}/g, '$1[redacted]'],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, '[redacted]'],
  // The user and the password of a connection string.
  [/(\w:\/\/)[^\s/@]+@/g, '$1[redacted]@'],
  // The lengths are bounded, or a long text without any would take quadratic time.
  [/[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}/g, '[e-mail]'],
];

const MAX_TEXT_LENGTH = 8_000;
const MAX_CAUSES = 3;

/** Removes secrets and e-mail addresses from a text, and bounds it. */
export function scrub(text: string): string {
  let clean = text.slice(0, MAX_TEXT_LENGTH);
  for (const [pattern, replacement] of SECRETS) clean = clean.replace(pattern, replacement);
  return clean;
}

export interface DescribedError {
  type: string;
  message: string;
  stack?: string;
  code?: string | number;
  cause?: DescribedError;
}

/**
 * What is said about an error in the log and to Sentry. Its other properties are left out, because errors of drivers have
 * documents, requests and headers in them.
 */
export function describeError(error: unknown, causes = MAX_CAUSES): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: scrub(String(error)) };
  const { name, message, stack, cause } = error;
  const { code } = error as { code?: unknown };
  return {
    type: error.constructor.name || name,
    message: scrub(message),
    ...(stack !== undefined && { stack: scrub(stack) }),
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(cause !== undefined && causes > 0 && { cause: describeError(cause, causes - 1) }),
  };
}
