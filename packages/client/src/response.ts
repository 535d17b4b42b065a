import { BillingClientError, type BillingErrorCode, type ResponseError } from './errors.js';

interface ResponseBody {
  data?: unknown;
  errors?: ResponseError[];
}

/** What proxies mean by their statuses, which have no code of the server. */
const CODE_OF_STATUS: Record<number, BillingErrorCode> = {
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  413: 'PAYLOAD_TOO_LARGE',
  429: 'RATE_LIMITED',
  502: 'SERVICE_UNAVAILABLE',
  503: 'SERVICE_UNAVAILABLE',
  504: 'SERVICE_UNAVAILABLE',
};

/** Rejections that come before anything has run. */
const RAN_NOTHING: readonly string[] = ['RATE_LIMITED', 'UNAUTHENTICATED'];

/** @returns the data. @throws BillingClientError */
export async function readResult(response: Response): Promise<unknown> {
  const body = await readBody(response);
  if (body && response.ok && !body.errors?.length && body.data) return body.data;
  throw errorOf(response, body);
}

export const readErrorResponse = async (response: Response): Promise<BillingClientError> =>
  errorOf(response, await readBody(response));

/** The error that errors of a response are. @param errors at least one */
export function billingErrorOf(
  errors: readonly ResponseError[],
  data: unknown,
  http: { status?: number; retryAfterS?: number | null; requestId?: string | null } = {},
): BillingClientError {
  const { message, extensions = {} } = errors[0] as ResponseError;
  const code = String(extensions.code ?? 'INVALID_RESPONSE') as BillingErrorCode;
  const status = (extensions.http as { status?: number } | undefined)?.status ?? http.status ?? null;
  return new BillingClientError(code, message, {
    ...http,
    status,
    errors,
    data,
    changedNothing: RAN_NOTHING.includes(code) && !hasResults(data),
  });
}

async function readBody(response: Response): Promise<ResponseBody | null> {
  const text = await response.text();
  try {
    const body = JSON.parse(text);
    const isResult =
      typeof body === 'object' && body !== null && ('data' in body || Array.isArray(body.errors));
    return isResult ? body : null;
  } catch {
    return null;
  }
}

function errorOf(response: Response, body: ResponseBody | null): BillingClientError {
  const { status, headers, type } = response;
  const http = {
    status,
    retryAfterS: readRetryAfter(headers.get('retry-after')),
    requestId: headers.get('x-request-id'),
  };
  if (body?.errors?.length) return billingErrorOf(body.errors, body.data, http);
  const code = CODE_OF_STATUS[status] ?? 'INVALID_RESPONSE';
  const isRedirect = type === 'opaqueredirect' || (status >= 300 && status < 400);
  const text = isRedirect
    ? 'The server redirects elsewhere, which is not followed: set url to where the billing server is'
    : `The answer, with the status ${status}, is not one of a billing server`;
  return new BillingClientError(code, text, { ...http, changedNothing: status === 429 || status === 401 });
}

/** Whether a root field has a result. */
const hasResults = (data: unknown): boolean =>
  typeof data === 'object' && data !== null && Object.values(data).some((value) => value !== null);

/** @param value seconds or an HTTP date */
function readRetryAfter(value: string | null): number | null {
  if (!value) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1_000;
  return Number.isNaN(seconds) ? null : Math.max(0, seconds);
}
