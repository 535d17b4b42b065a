import { ApolloServer, type ApolloServerPlugin } from '@apollo/server';
import { ApolloServerPluginCacheControlDisabled } from '@apollo/server/plugin/disabled';
import type { GraphQLSchema } from 'graphql';
import type { Logger } from 'pino';
import { type ErrorFormat, formatError, withoutSuggestions } from '../directives/clientErrors.js';
import { UnconditionalSubscriptionsRule } from '../directives/conditionalSubscriptions.js';
import { stringifyResult } from '../directives/largeResults.js';
import type { ErrorLog } from '../directives/loggedRequest.js';
import type { Context } from '../resolvers/context.js';
import { createDocumentStore } from './documentStore.js';

export const MAX_TOKENS = 20_000;
const MAX_VALIDATION_ERRORS = 5;

/** @param deps.introspection whether suggestions in errors may reveal the schema */
export function createErrorFormat(deps: { introspection: boolean; errorLog: ErrorLog }): ErrorFormat {
  const { introspection, errorLog } = deps;
  return (formatted, thrown) => {
    errorLog(thrown);
    const error = formatError(formatted, thrown);
    return introspection ? error : withoutSuggestions(error);
  };
}

/**
 * Creates the Apollo Server of an endpoint: with bounds, without stack traces, and with this server's error format.
 * @param deps.introspection whether clients may read the schema, through introspection or suggestions in errors
 */
export function createApollo(deps: {
  schema: GraphQLSchema;
  plugins: ApolloServerPlugin<Context>[];
  introspection: boolean;
  log: Logger;
  errorLog: ErrorLog;
}): ApolloServer<Context> {
  const { schema, plugins, introspection, log } = deps;
  return new ApolloServer<Context>({
    schema,
    // Apollo's cache hints would wrap every resolver, although no response may be cached.
    plugins: [ApolloServerPluginCacheControlDisabled(), ...plugins],
    formatError: createErrorFormat(deps),
    includeStacktraceInErrorResponses: false,
    introspection,
    parseOptions: { maxTokens: MAX_TOKENS },
    // Enough to fix a document. A hundred long errors would make a response of megabytes.
    validationOptions: { maxErrors: MAX_VALIDATION_ERRORS },
    validationRules: [UnconditionalSubscriptionsRule],
    stringifyResult,
    documentStore: createDocumentStore(),
    stopOnTerminationSignals: false,
    logger: log,
  });
}
