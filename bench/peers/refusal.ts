import { GraphQLError } from 'graphql';

/** Told as a status, so that the load sees it. */
export const refusal = (message: string): GraphQLError =>
  new GraphQLError(message, { extensions: { code: 'RATE_LIMITED', http: { status: 429 } } });
