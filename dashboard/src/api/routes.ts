import { BillingClientError, type BillingErrorCode } from '@continuum-billing/client';

const TIMEOUT_MS = 30_000;
/** Until the browser has certainly begun to save it. */
const KEEP_FILE_MS = 60_000;

/**
 * Calls one of the server's own routes, such as /admin/session.
 * @returns the JSON of the answer, null if it has none
 * @throws BillingClientError with the server's code and message
 */
export async function callRoute<Result = unknown>(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Result> {
  const response = await answerOf(path, {
    method,
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  // A body that is cut off must not pass for an empty one.
  if (response.ok) return (response.status === 204 ? null : await response.json()) as Result;
  throw await errorOf(response);
}

async function answerOf(path: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(path, { credentials: 'same-origin', cache: 'no-store', ...init });
  } catch (error) {
    const { name, message } = error as Error;
    throw new BillingClientError(name === 'TimeoutError' ? 'TIMEOUT' : 'NETWORK_ERROR', message);
  }
}

async function errorOf(response: Response): Promise<BillingClientError> {
  const json = await response.json().catch(() => null);
  const error = json?.error;
  const retryAfter = Number(response.headers.get('retry-after'));
  const { code, message, ...details } = error ?? {};
  const text = typeof message === 'string' ? message : `The server answered with status ${response.status}`;
  return new BillingClientError(
    typeof code === 'string' ? (code as BillingErrorCode) : codeOfStatus(response.status),
    text,
    {
      status: response.status,
      retryAfterS: retryAfter > 0 ? retryAfter : null,
      errors: [{ message: text, extensions: details }],
    },
  );
}

function codeOfStatus(status: number): BillingErrorCode {
  switch (status) {
    case 401:
      return 'UNAUTHENTICATED';
    case 403:
      return 'FORBIDDEN';
    case 404:
      return 'NOT_FOUND';
    case 429:
      return 'RATE_LIMITED';
    case 503:
      return 'SERVICE_UNAVAILABLE';
    default:
      return 'INTERNAL_SERVER_ERROR';
  }
}

/**
 * Saves the answer of one of the server's own routes as a file. Unlike a link, it can say what went wrong.
 * @throws like callRoute
 */
export async function downloadRoute(path: string, name: string): Promise<void> {
  const response = await answerOf(path);
  if (!response.ok) throw await errorOf(response);
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEEP_FILE_MS);
}
