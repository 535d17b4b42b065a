import {
  defaultFieldResolver,
  GraphQLError,
  type GraphQLFieldResolver,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  isNonNullType,
  Kind,
} from 'graphql';
import { type CallerOptions, createCallerReader, type IdentifiedCaller } from './callers.js';
import { type AdmittedOperation, createGuard, type Guard } from './guard.js';
import type { CallerIdentity, Limits } from './limits.js';
import { type AnyHeaders, apiKeyOfContext } from './request.js';

export interface EnforceOptions extends CallerOptions<unknown> {
  limits: Limits;
  /**
   * Returns the caller's key. Default: `context.apiKey`, or the headers `x-api-key` and `Authorization: Bearer` of
   * `context`, `context.req` or `context.request`.
   */
  apiKey?(context: unknown): string | null;
  /**
   * Returns the tenant that your server has identified, by its id or by your own id of it, or a key; null: nobody. Then keys
   * in the request count for nothing, and `tenantOf` knows the tenant of operations without limits too.
   */
  identify?(context: unknown): IdentifiedCaller | null | Promise<IdentifiedCaller | null>;
  /** Returns the client's address, by which guesses of keys are limited. Default: unknown. */
  address?(context: unknown): string | null;
}

/** What `enforceLimits` leaves in a schema, for the plugins. */
export interface Enforced {
  guard: Guard;
  /** @param headers of the request, if the server knows them */
  callerOf(context: unknown, headers?: AnyHeaders): Promise<CallerIdentity | null>;
  address: (context: unknown) => string | null;
  /** Registers an operation that was admitted before its execution, so that its resolvers run. */
  admit(context: object, info: Pick<GraphQLResolveInfo, 'operation'>, admitted: AdmittedOperation): void;
  admittedOf(context: object): AdmittedOperation | null;
}

const EXTENSION = 'continuumLimits';
/**
 * Changes a schema so that each operation is accepted or rejected as a whole, before any of its resolvers runs, by the
 * limits of the tenant whose key the request carries, or that `identify` returns. This works in every server. With the plugin for your server,
 * rejections also have their HTTP status, and responses the rate limit headers.
 *
 * @returns the same schema
 * @throws an Error that lists every directive with invalid arguments; an Error for both `apiKey` and `identify`
 */
export function enforceLimits(schema: GraphQLSchema, options: EnforceOptions): GraphQLSchema {
  if (schema.extensions[EXTENSION]) throw new Error('The limits of this schema are enforced already');
  const { limits, address = () => null } = options;
  const { callerOf, needed } = createCallerReader(options, apiKeyOfContext, 'enforceLimits');
  const guard = createGuard(schema, limits, needed);
  /** Operations that were admitted before their execution, by its context. */
  const begun = new WeakMap<object, object>();
  const admittedOperations = new WeakMap<object, AdmittedOperation>();
  /** Operations that no plugin admitted. The variables' object identifies an execution. */
  const ownOperations = new WeakMap<object, OwnOperation>();

  function ownOperation(context: unknown, info: GraphQLResolveInfo): OwnOperation {
    const known = ownOperations.get(info.variableValues);
    if (known) return known;
    const { operation, fragments, variableValues } = info;
    const admitted = callerOf(context)
      .then((caller) =>
        guard.begin({
          document: { kind: Kind.DOCUMENT, definitions: [operation, ...Object.values(fragments)] },
          operation,
          variables: variableValues,
          caller,
          address: address(context),
        }),
      )
      .then((admitted) => {
        if (isObject(context)) admittedOperations.set(context, admitted);
        return admitted;
      });
    const own = createOwnOperation(admitted);
    ownOperations.set(variableValues, own);
    return own;
  }

  const guarded =
    (resolve: GraphQLFieldResolver<unknown, unknown>): GraphQLFieldResolver<unknown, unknown> =>
    (source, args, context, info) => {
      const run = () => resolve(source, args, context, info);
      const known = isObject(context) ? begun.get(context) : undefined;
      if (known === info.operation) return run();
      return ownOperation(context, info).run(run, info);
    };

  const enforced: Enforced = {
    guard,
    callerOf,
    address,
    admit(context, { operation }, admitted) {
      begun.set(context, operation);
      admittedOperations.set(context, admitted);
    },
    admittedOf: (context) => admittedOperations.get(context) ?? null,
  };
  // The schema is changed in place: building a new one would take longer than everything else at a service's start.
  for (const type of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]) {
    const subscribes = type === schema.getSubscriptionType();
    for (const field of Object.values(type?.getFields() ?? {})) {
      if (subscribes) field.subscribe = guarded(field.subscribe ?? defaultFieldResolver);
      else field.resolve = guarded(field.resolve ?? defaultFieldResolver);
    }
  }
  schema.extensions = { ...schema.extensions, [EXTENSION]: enforced };
  return schema;
}

/** @throws an Error if `enforceLimits` was not called for the schema */
export function enforcedOf(schema: GraphQLSchema): Enforced {
  const enforced = schema.extensions[EXTENSION] as Enforced | undefined;
  if (!enforced) {
    throw new Error(
      "The schema's limits are not enforced: give the server enforceLimits(schema, { limits })",
    );
  }
  return enforced;
}

/** An operation without a plugin, of which only the root fields are observed. */
interface OwnOperation {
  run(resolve: () => unknown, info: GraphQLResolveInfo): Promise<unknown>;
}

/** If a non-null field below the root fails, a mutation never runs its other root fields, and nothing reports that. */
const MAX_OWN_MS = 60_000;

function createOwnOperation(admitted: Promise<AdmittedOperation>): OwnOperation {
  const errors: GraphQLError[] = [];
  let settled = 0;
  let lease: NodeJS.Timeout | undefined;

  async function end(hasData: boolean): Promise<void> {
    clearTimeout(lease);
    await (await admitted).end({ errors, hasData });
  }

  return {
    async run(resolve, info) {
      const { rootFields } = await admitted;
      if (rootFields > 0) lease ??= setTimeout(() => void end(true), MAX_OWN_MS).unref();
      try {
        return await resolve();
      } catch (thrown) {
        const error = thrown instanceof GraphQLError ? thrown : new GraphQLError(String(thrown));
        errors.push(new GraphQLError(error.message, { path: [info.path.key], extensions: error.extensions }));
        // The response has no data then, and no further field of a mutation runs.
        if (isNonNullType(info.returnType)) await end(false);
        throw thrown;
      } finally {
        settled++;
        if (settled === rootFields) await end(true);
      }
    },
  };
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
