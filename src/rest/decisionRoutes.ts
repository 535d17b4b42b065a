import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { RoutedField } from '../directives/routedFields.js';
import type { Principal } from '../services/accounts/principal.js';
import type { Metrics } from '../services/infrastructure/metrics.js';
import type { Services } from '../services/services.js';
import { clientAddress } from './clientAddress.js';
import * as openApi from './openApi/decisions.js';

/** What a route does with the operations of a request. They are valid. */
type Run<T> = (operations: never[], principal: Principal | null) => Promise<T>;

/**
 * The mutations decideOperations and endOperations without GraphQL, for the library: parsing, planning and executing a
 * document takes longer than a decision.
 */
export function decisionRoutes(deps: {
  fields: (coordinate: string) => RoutedField;
  authenticate: (request: FastifyRequest) => Promise<Principal | null>;
  metrics: Pick<Metrics, 'operationAnswered'>;
  decide: Run<object[]>;
  end: Run<void>;
  services: Pick<Services, 'tiers' | 'brand'>;
}): FastifyPluginAsync {
  const { fields, authenticate, metrics, decide, end } = deps;
  const { tiers, brand } = deps.services;

  /** Everything about the body is checked by the rules of the mutation, so OpenAPI's schema only describes it. */
  const described = <T>(schema: T) => ({
    schema,
    validatorCompiler: () => () => true,
    serializerCompiler: () => JSON.stringify,
  });

  const admittedTo = (field: RoutedField) => async (request: FastifyRequest) => {
    const { logged, tracked } = request;
    tracked.whenOver(() => metrics.operationAnswered(logged.code ?? 'OK', null));
    request.sender = { principal: await authenticate(request), address: clientAddress(request) };
    tracked.whenOver(await field.admit(request.sender));
  };

  const runOf =
    <T>(field: RoutedField, run: Run<T>) =>
    async ({ body, sender, tracked }: FastifyRequest): Promise<T> => {
      const args = field.read(body);
      const turn = field.enterGate(args, sender);
      if (turn) tracked.whenOver(await turn);
      return run(args.operations as never[], sender.principal);
    };

  return async (app) => {
    app.decorateRequest('sender');
    const deciding = fields('Mutation.decideOperations');
    const decided = runOf(deciding, decide);
    app.get(
      '/v1/decisions',
      { schema: openApi.getDecisionNames, exposeHeadRoute: false, onRequest: admittedTo(deciding) },
      async () => {
        const { features, resources } = tiers.catalogue;
        return { features, resources, upgradeUrl: brand.read().upgradeUrl };
      },
    );
    app.post(
      '/v1/decisions',
      { ...described(openApi.decide), onRequest: admittedTo(deciding) },
      async (request) => ({ decisions: await decided(request) }),
    );
    const ending = fields('Mutation.endOperations');
    const ended = runOf(ending, end);
    app.post(
      '/v1/decisions/end',
      { ...described(openApi.endDecisions), onRequest: admittedTo(ending) },
      async (request) => {
        await ended(request);
        return { ended: true };
      },
    );
  };
}
