import {
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
} from 'graphql';
import { coercedVariables } from './analysis/variables.js';
import { type Enforced, enforcedOf } from './enforceLimits.js';
import { BillingError } from './errors.js';
import type { AdmittedOperation } from './guard.js';
import { isSubgraph } from './request.js';

/** A result that serializes itself. */
interface SerializedResult extends ExecutionResult {
  stringify?(): string;
}

interface ExecutionHook {
  args: ExecutionArgs;
  setResultAndStopExecution(result: SerializedResult): void;
}

interface ResponseHook {
  request: Request;
  response: Response | undefined;
}

/** The part of Yoga's and Envelop's plugin interface that this plugin uses, so that Yoga is not a dependency. */
export interface YogaLimitsPlugin {
  onSchemaChange(hook: { schema: GraphQLSchema }): void;
  onExecute(
    hook: ExecutionHook,
  ): Promise<{ onExecuteDone(done: { result: unknown }): Promise<void> } | undefined>;
  onSubscribe(
    hook: ExecutionHook,
  ): Promise<{ onSubscribeResult(done: { result: unknown }): Promise<void> } | undefined>;
  onResponse(hook: ResponseHook): Promise<void>;
}

/**
 * The plugin for GraphQL Yoga with a schema from `enforceLimits`. It decides before the execution, so that a rejection has its
 * HTTP status and responses have the rate limit headers. A subgraph always responds with 200, because gateways take any
 * other status for a broken subgraph; they read the status from the error.
 */
export function yogaLimits(): YogaLimitsPlugin {
  let enforced: Enforced | undefined;
  let behindGateway = false;
  const headersOf = new WeakMap<object, ReadonlyMap<string, string>>();
  /** By request, since a batch has several operations. */
  const admittedOperationsOf = new WeakMap<object, AdmittedOperation[]>();

  async function begin({
    args,
    setResultAndStopExecution,
  }: ExecutionHook): Promise<AdmittedOperation | null> {
    const { schema, document, contextValue, variableValues, operationName } = args;
    enforced ??= enforcedOf(schema);
    const operation = getOperationAST(document, operationName);
    const variables = operation && coercedVariables(schema, operation, variableValues);
    if (!operation || !variables) return null;
    const { request } = contextValue as { request?: object };
    try {
      const caller = await enforced.callerOf(contextValue);
      const address = enforced.address(contextValue);
      const admitted = await enforced.guard.begin({ document, operation, variables, caller, address });
      enforced.admit(contextValue as object, { operation }, admitted);
      if (request) {
        headersOf.set(request, admitted.headers);
        admittedOperationsOf.set(request, [...(admittedOperationsOf.get(request) ?? []), admitted]);
      }
      return admitted;
    } catch (thrown) {
      if (!(thrown instanceof BillingError)) throw thrown;
      if (request) headersOf.set(request, new Map(Object.entries(thrown.headers)));
      setResultAndStopExecution(answerOf(thrown));
      return null;
    }
  }

  /** The response to a rejected operation. Yoga takes its status from the error; `onResponse` sets its headers. */
  function answerOf({ message, code, details, status }: BillingError): SerializedResult {
    const extensions = { ...details, code };
    const http = { status };
    if (!behindGateway)
      return { data: null, errors: [new GraphQLError(message, { extensions: { ...extensions, http } })] };
    const visible = { data: null, errors: [{ message, extensions: { ...extensions, http } }] };
    // Yoga removes the status from errors, but a gateway has no other source for it.
    return {
      data: null,
      errors: [new GraphQLError(message, { extensions })],
      stringify: () => JSON.stringify(visible),
    };
  }

  /** An incremental response is judged by its first part. */
  async function end(admitted: AdmittedOperation, result: unknown): Promise<void> {
    if (isAsyncIterable(result)) return admitted.end({ errors: [], hasData: true });
    const { data, errors = [] } = result as ExecutionResult;
    await admitted.end({ errors, hasData: data != null });
  }

  return {
    onSchemaChange({ schema }) {
      enforced = enforcedOf(schema);
      behindGateway = isSubgraph(schema);
    },
    async onExecute(hook) {
      const admitted = await begin(hook);
      if (!admitted) return undefined;
      return { onExecuteDone: ({ result }) => end(admitted, result) };
    },
    async onSubscribe(hook) {
      const admitted = await begin(hook);
      if (!admitted) return undefined;
      return { onSubscribeResult: ({ result }) => end(admitted, result) };
    },
    async onResponse({ request, response }) {
      for (const [name, value] of headersOf.get(request) ?? []) response?.headers.set(name, value);
      // An operation that another plugin cut short has not ended yet. What it stored is unknown, so it counts as stored.
      for (const admitted of admittedOperationsOf.get(request) ?? [])
        await admitted.end({ errors: [], hasData: true });
    },
  };
}

const isAsyncIterable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
