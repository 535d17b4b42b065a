import type { ApolloServer } from '@apollo/server';
import { ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled';
import { ApolloServerPluginLandingPageLocalDefault } from '@apollo/server/plugin/landingPage/default';
import { readRules, readWorkWeights } from '@continuum-billing/limits/core';
import type { GraphQLSchema } from 'graphql';
import type { Logger } from 'pino';
import type { Clock } from '../common/clock.js';
import type { Config } from '../config/config.js';
import type { ErrorFormat } from '../directives/clientErrors.js';
import { enforcementPlugin } from '../directives/enforcementPlugin.js';
import { completeQueriesInSlices } from '../directives/largeResults.js';
import { createLiveOperations, type LiveOperations } from '../directives/liveOperations.js';
import { createErrorLog } from '../directives/loggedRequest.js';
import { boundResponses } from '../directives/responseBounds.js';
import { createRoutedFields, type RoutedField } from '../directives/routedFields.js';
import { createWorkBounds } from '../directives/workBounds.js';
import { Context } from '../resolvers/context.js';
import { entitiesOf } from '../resolvers/entities.js';
import { resolvers } from '../resolvers/resolvers.js';
import { createArgumentValidation } from '../schema/argumentValidation.js';
import { buildSchema } from '../schema/buildSchema.js';
import { buildSubgraph } from '../schema/subgraph.js';
import type { RunningServices } from '../services/createServices.js';
import type { Metrics } from '../services/infrastructure/metrics.js';
import { createApollo, createErrorFormat } from './apolloServer.js';

/** One schema, and the same with prefixed types for a gateway. Whatever calls its fields is admitted by the same limits. */
export interface GraphqlApi {
  schema: GraphQLSchema;
  apollo: ApolloServer<Context>;
  /** null without GATEWAY_SECRET */
  subgraph: ApolloServer<Context> | null;
  /** For subscriptions over WebSockets and event streams. */
  live: LiveOperations;
  /** @returns what a REST route serves of a root field, by its coordinate: `Mutation.setSeats` */
  fields(coordinate: string): RoutedField;
  formatError: ErrorFormat;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export function createGraphqlApi(deps: {
  config: Config;
  services: RunningServices;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}): GraphqlApi {
  const { config, services, clock, log, metrics } = deps;
  const { sandbox, introspection } = config;
  const schema = buildSchema([...resolvers], config);
  boundResponses(schema);
  completeQueriesInSlices(schema);
  const rules = readRules(schema);
  const costs = readWorkWeights(schema);
  const errorLog = createErrorLog(log);
  const enforcement = {
    limits: services.limits,
    callers: services.callers,
    callerSlots: services.callerSlots,
    idempotencyKeys: services.idempotencyKeys,
    validateArguments: createArgumentValidation(),
    work: createWorkBounds(config.maxOperationCost),
    clock,
    log,
    errorLog,
    metrics,
  };
  const apollo = createApollo({
    schema,
    introspection,
    log,
    errorLog,
    plugins: [
      sandbox
        ? ApolloServerPluginLandingPageLocalDefault({ embed: true })
        : ApolloServerPluginLandingPageDisabled(),
      enforcementPlugin({ schema, rules, costs, ...enforcement }),
    ],
  });

  function createSubgraph(): ApolloServer<Context> {
    const built = buildSubgraph(schema, rules, entitiesOf(config), config.subgraph);
    return createApollo({
      schema: built.schema,
      introspection,
      log,
      errorLog,
      plugins: [
        ApolloServerPluginLandingPageDisabled(),
        enforcementPlugin({ ...built, ...enforcement, statusInBody: true }),
      ],
    });
  }

  const subgraph = config.subgraph.gatewaySecrets.length > 0 ? createSubgraph() : null;
  const formatError = createErrorFormat({ introspection, errorLog });
  return {
    schema,
    apollo,
    subgraph,
    live: createLiveOperations({
      ...services,
      apollo,
      schema,
      formatError,
      createContext: (operation, subscribing) => new Context(services, { ...operation, live: subscribing }),
    }),
    fields: createRoutedFields({ schema, rules, costs, ...enforcement }),
    formatError,
    async start() {
      await apollo.start();
      await subgraph?.start();
    },
    async stop() {
      await apollo.stop();
      await subgraph?.stop();
    },
  };
}
