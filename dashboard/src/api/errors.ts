import { CombinedGraphQLErrors, CombinedProtocolErrors, ServerError } from '@apollo/client/errors';
import { isBillingError } from '@continuum-billing/client';
import type { Explanation } from '../design/index.js';

/** With the API's stable code, or NETWORK or UNKNOWN. */
export type CodedExplanation = Explanation & { code: string };

const TEXTS: Readonly<Record<string, readonly [title: string, advice: string] | undefined>> = {
  NETWORK: [
    'The server cannot be reached',
    'Check the connection, and whether the server runs. Nothing was changed by what did not arrive.',
  ],
  UNAUTHENTICATED: ['You are signed out', 'Sign in again; you come back to this page.'],
  FORBIDDEN: ['Your key may not do this', 'Ask an OWNER, or sign in with a key whose role allows it.'],
  NOT_FOUND: ['It does not exist', 'It may have been deleted, or the address is wrong.'],
  BAD_USER_INPUT: ['Something in the form is not right', 'Correct it and try again. Nothing was changed.'],
  RATE_LIMITED: ['Too many requests', 'Wait a moment and try again.'],
  PAYMENT_PROVIDER_ERROR: ['Stripe did not do it', 'If Stripe was away, try again in a minute.'],
  SERVICE_UNAVAILABLE: [
    'The database cannot be reached',
    'Try again in a moment. What was not answered may still happen: look before you repeat an action.',
  ],
  TENANT_SUSPENDED: ['The tenant is suspended', 'Reinstate it first.'],
  GRAPHQL_VALIDATION_FAILED: ['This page is older than the server', 'Reload the page.'],
  OPERATION_TOO_EXPENSIVE: ['This page asks for too much at once', 'Choose a shorter range or fewer rows.'],
  INTERNAL_SERVER_ERROR: [
    'The server had an error',
    'Try again. If it happens again, look for the request in the server’s log.',
  ],
};

/** @returns how many seats are needed for what is stored, if that is what an error says */
export function seatsNeeded(error: unknown): number | null {
  const needed = CombinedGraphQLErrors.is(error) && error.errors[0]?.extensions?.seatsNeeded;
  return typeof needed === 'number' ? needed : null;
}

function explained(code: string, message: string, requestId: unknown): CodedExplanation {
  const [title, advice] = TEXTS[code] ?? ['It did not work', 'Try again.'];
  return {
    code,
    title,
    message: sentence(message),
    advice,
    requestId: typeof requestId === 'string' ? requestId : null,
  };
}

/** The API's messages have no full stop. */
function sentence(text: string): string {
  return text === '' || /[.!?…]$/.test(text) ? text : `${text}.`;
}

/** @param error whatever was thrown or is in a result's `error` */
export function explain(error: unknown): CodedExplanation {
  if (CombinedGraphQLErrors.is(error) || CombinedProtocolErrors.is(error)) {
    const first = error.errors[0];
    const needed = seatsNeeded(error);
    if (needed !== null) {
      const title = `At least ${needed} seats are needed`;
      const advice = 'What is stored now needs them. Delete some of it to have fewer.';
      return { code: 'BAD_USER_INPUT', title, message: '', advice, requestId: null };
    }
    return explained(
      String(first?.extensions?.code ?? 'INTERNAL_SERVER_ERROR'),
      first?.message ?? error.message,
      first?.extensions?.requestId,
    );
  }
  if (isBillingError(error)) {
    if (error.code === 'NETWORK_ERROR') return explained('NETWORK', '', null);
    if (error.code === 'TIMEOUT') return explained('NETWORK', 'It did not answer in time', null);
    return explained(error.code, error.message, error.requestId);
  }
  if (ServerError.is(error)) {
    const code = error.statusCode === 503 ? 'SERVICE_UNAVAILABLE' : 'INTERNAL_SERVER_ERROR';
    return explained(
      code,
      `The server answered with status ${error.statusCode}`,
      error.response.headers.get('x-request-id'),
    );
  }
  // Browsers have a TypeError of different words for a connection that failed.
  if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message))
    return explained('NETWORK', '', null);
  if (error instanceof DOMException && error.name === 'TimeoutError')
    return explained('NETWORK', 'It did not answer in time', null);
  return explained('UNKNOWN', error instanceof Error ? error.message : String(error), null);
}

export function codeOf(error: unknown): string {
  return explain(error).code;
}
