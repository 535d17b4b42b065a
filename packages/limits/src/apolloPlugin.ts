import type {
  ApolloServerPlugin,
  BaseContext,
  GraphQLRequestContext,
  GraphQLRequestContextWillSendResponse,
} from '@apollo/server';
import { coercedVariables } from './analysis/variables.js';
import { type Enforced, enforcedOf } from './enforceLimits.js';
import { BillingError } from './errors.js';
import { isSubgraph } from './request.js';

/**
 * The plugin for Apollo Server with a schema from `enforceLimits`. It decides before the execution, so that a rejection has its
 * HTTP status and responses have the rate limit headers. A subgraph always responds with 200, because gateways take any
 * other status for a broken subgraph; they read the status from the error.
 */
export function apolloLimits<C extends BaseContext>(): ApolloServerPlugin<C> {
  let enforced: Enforced;
  let behindGateway = false;

  async function end({ contextValue, errors = [], response }: GraphQLRequestContext<C>, crashed = false) {
    const admitted = enforced.admittedOf(contextValue);
    const { body } = response;
    // An incremental response is judged by its first part.
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
          const caller = await enforced.callerOf(contextValue, request.http?.headers);
          const address = enforced.address(contextValue);
          const admitted = await enforced.guard.begin({ document, operation, variables, caller, address });
          enforced.admit(contextValue, { operation }, admitted);
        },
        async willSendResponse(request) {
          await end(request);
          const { http } = request.response;
          for (const [name, value] of enforced.admittedOf(request.contextValue)?.headers ?? [])
            http.headers.set(name, value);
          if (!behindGateway) return;
          http.status = 200;
          addStatus(request);
        },
      };
    },
    unexpectedErrorProcessingRequest: ({ requestContext }) => end(requestContext, true),
  };
}

/** Apollo removes the status from errors, but a gateway has no other source for it. */
function addStatus<C extends BaseContext>({
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
