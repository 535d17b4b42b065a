const MAX_CHARS = 500;
/** Keys of Stripe's, whole or shortened as its messages have them, and passwords in connection strings. */
const SECRETS: readonly [RegExp, string][] = [
  [/\b(sk|rk|pk|whsec)_[\w*.…-]+/g, '$1_…'],
  [/:\/\/[^\s/@]+@/g, '://…@'],
];

/** @returns what an operator may read of a failure: no secrets, at most 500 characters */
export function describeFailure(error: unknown): string {
  const { message, requestId } = (error instanceof Error ? error : new Error(String(error))) as Error & {
    requestId?: string;
  };
  const text = `${message}${requestId ? ` (${requestId})` : ''}`;
  return SECRETS.reduce((clean, [pattern, words]) => clean.replace(pattern, words), text).slice(0, MAX_CHARS);
}
