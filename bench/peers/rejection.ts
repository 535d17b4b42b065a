import { GraphQLError } from 'graphql';

/** The rejection has a status of its own, so that the load sees it. */
export const rejection = (message: string): GraphQLError =>
  new GraphQLError(message, { extensions: { code: 'RATE_LIMITED', http: { status: 429 } } });
