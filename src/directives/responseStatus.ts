import type { GraphQLResponse } from '@apollo/server';

/**
 * The HTTP status of a response with errors. A document that was rejected before execution has no data, and its error's
 * status. Once it has run: 200 if any root field is non-null, because what happened must not look failed; else the first
 * error's.
 * @returns null without errors
 */
export function statusOf(body: GraphQLResponse['body']): number | null {
  if (body.kind !== 'single') return null;
  const { data, errors } = body.singleResult;
  const [first] = errors ?? [];
  if (!first) return null;
  if (data && Object.values(data).some((value) => value !== null)) return 200;
  // The error formatter gives every error its status.
  const { http } = first.extensions as { http: { status: number } };
  return http.status;
}
