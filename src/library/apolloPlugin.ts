import type { ApolloServerPlugin, BaseContext, GraphQLRequestContext } from '@apollo/server';
import { coerceVariables } from '../directives/plan.js';
import { type Enforced, enforcedOf } from './enforceLimits.js';
import { apiKeyOfHeaders } from './request.js';
import { isSubgraph } from './subgraphs.js';

/**
 * For Apollo Server with a schema from `enforceLimits`: decides before the execution, so that a refusal has its HTTP
 * status, and answers have the rate limit headers. A subgraph always answers with 200: gateways take another status for
 * a broken subgraph.
 */
export function apolloLimits<C extends BaseContext>(): ApolloServerPlugin<C> {
  let enforced: Enforced;
  let behindGateway = false;

  async function end({ contextValue, errors = [], response }: GraphQLRequestContext<C>, crashed = false) {
    const passage = enforced.passageOf(contextValue);
    const hasData = response.body?.kind === 'single' && response.body.singleResult.data != null;
    await passage?.end({ errors: crashed ? [] : errors, hasData: !crashed && hasData });
  }

  return {
    async serverWillStart({ schema }) {
      enforced = enforcedOf(schema);
      behindGateway = isSubgraph(schema);
    },
    async requestDidStart() {
      return {
        async didResolveOperation({ schema, document, operation, request, contextValue }) {
          const variables = operation && coerceVariables(schema, operation, request.variables);
          if (!operation || !variables) return;
          const headers = request.http?.headers;
          const apiKey = enforced.apiKey(contextValue) ?? (headers ? apiKeyOfHeaders(headers) : null);
          const address = enforced.address(contextValue);
          const passage = await enforced.guard.begin({ document, operation, variables, apiKey, address });
          enforced.admit(contextValue, { operation }, passage);
        },
        async willSendResponse(request) {
          await end(request);
          const { http } = request.response;
          for (const [name, value] of enforced.passageOf(request.contextValue)?.headers ?? [])
            http.headers.set(name, value);
          if (behindGateway) http.status = 200;
        },
      };
    },
    unexpectedErrorProcessingRequest: ({ requestContext }) => end(requestContext, true),
  };
}
