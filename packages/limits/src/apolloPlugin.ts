import type {
  ApolloServerPlugin,
  BaseContext,
  GraphQLRequestContext,
  GraphQLRequestContextWillSendResponse,
} from '@apollo/server';
import { coercedVariables } from './analysis/variables.js';
import { type Enforced, enforcedOf } from './enforceLimits.js';
import { BillingError } from './errors.js';
import { apiKeyOfHeaders } from './request.js';
import { isSubgraph } from './subgraphs.js';

/**
 * For Apollo Server with a schema from `enforceLimits`: decides before the execution, so that a refusal has its HTTP
 * status, and answers have the rate limit headers. A subgraph always answers with 200: gateways take another status for
 * a broken subgraph, and have the status from the error.
 */
export function apolloLimits<C extends BaseContext>(): ApolloServerPlugin<C> {
  let enforced: Enforced;
  let behindGateway = false;

  async function end({ contextValue, errors = [], response }: GraphQLRequestContext<C>, crashed = false) {
    const admitted = enforced.admittedOf(contextValue);
    const { body } = response;
    // What comes in parts is told by its first.
    const first = body?.kind === 'single' ? body.singleResult : body?.initialResult;
    const hasData = first?.data != null;
    await admitted?.end({ errors: crashed ? [] : errors, hasData: !crashed && hasData });
  }

  return {
    async serverWillStart({ schema }) {
      enforced = enforcedOf(schema);
      behindGateway = isSubgraph(schema);
    },
    async requestDidStart() {
      return {
        async didResolveOperation({ schema, document, operation, request, contextValue }) {
          const variables = operation && coercedVariables(schema, operation, request.variables);
          if (!operation || !variables) return;
          const headers = request.http?.headers;
          const apiKey = enforced.apiKey(contextValue) ?? (headers ? apiKeyOfHeaders(headers) : null);
          const address = enforced.address(contextValue);
          const admitted = await enforced.guard.begin({ document, operation, variables, apiKey, address });
          enforced.admit(contextValue, { operation }, admitted);
        },
        async willSendResponse(request) {
          await end(request);
          const { http } = request.response;
          for (const [name, value] of enforced.admittedOf(request.contextValue)?.headers ?? [])
            http.headers.set(name, value);
          if (!behindGateway) return;
          http.status = 200;
          tellStatus(request);
        },
      };
    },
    unexpectedErrorProcessingRequest: ({ requestContext }) => end(requestContext, true),
  };
}

/** Apollo takes the status out of errors, but a gateway has it from nowhere else. */
function tellStatus<C extends BaseContext>({
  errors,
  response,
}: GraphQLRequestContextWillSendResponse<C>): void {
  if (response.body.kind !== 'single') return;
  const { singleResult } = response.body;
  if (!singleResult.errors) return;
  singleResult.errors = singleResult.errors.map((formatted, i) => {
    const error = errors?.[i];
    if (!(error instanceof BillingError)) return formatted;
    return { ...formatted, extensions: { ...formatted.extensions, http: { status: error.status } } };
  });
}
