import {
  defaultFieldResolver,
  GraphQLError,
  type GraphQLFieldResolver,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  isNonNullType,
  Kind,
} from 'graphql';
import { type AdmittedOperation, createGuard, type Guard } from './guard.js';
import type { Limits } from './limits.js';
import { apiKeyOfContext } from './request.js';

export interface EnforceOptions {
  limits: Limits;
  /**
   * Where the caller's key is. Default: `context.apiKey`, or the headers `x-api-key` and `Authorization: Bearer` of
   * `context`, `context.req` or `context.request`.
   */
  apiKey?: (context: unknown) => string | null;
  /** The client's address, by which guesses of keys are limited. Default: not known. */
  address?: (context: unknown) => string | null;
}

/** What `enforceLimits` leaves in a schema, for the plugins. */
export interface Enforced {
  guard: Guard;
  apiKey: (context: unknown) => string | null;
  address: (context: unknown) => string | null;
  /** Lets an operation run that was begun before its execution. */
  admit(context: object, info: Pick<GraphQLResolveInfo, 'operation'>, admitted: AdmittedOperation): void;
  admittedOf(context: object): AdmittedOperation | null;
}

const EXTENSION = 'continuumLimits';

/**
 * From now on the schema's operations are decided whole before any resolver of theirs runs: what their fields' directives
 * ask is taken from the limits of the tenant whose key the request shows. It holds in every server; with the plugin of
 * yours a refusal has its HTTP status besides, and an answer its rate limit headers.
 *
 * @returns the same schema
 * @throws an Error that lists every directive whose arguments make no sense
 */
export function enforceLimits(schema: GraphQLSchema, options: EnforceOptions): GraphQLSchema {
  if (schema.extensions[EXTENSION]) throw new Error('The limits of this schema are enforced already');
  const { limits, apiKey = apiKeyOfContext, address = () => null } = options;
  const guard = createGuard(schema, limits);
  /** Operations that were begun before their execution, by its context. */
  const begun = new WeakMap<object, object>();
  const admittedOperations = new WeakMap<object, AdmittedOperation>();
  /** Operations that no plugin began, by what an execution has for itself: its variables. */
  const ownOperations = new WeakMap<object, OwnOperation>();

  function ownOperation(context: unknown, info: GraphQLResolveInfo): OwnOperation {
    const known = ownOperations.get(info.variableValues);
    if (known) return known;
    const { operation, fragments, variableValues } = info;
    const admitted = guard
      .begin({
        document: { kind: Kind.DOCUMENT, definitions: [operation, ...Object.values(fragments)] },
        operation,
        variables: variableValues,
        apiKey: apiKey(context),
        address: address(context),
      })
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
    apiKey,
    address,
    admit(context, { operation }, admitted) {
      begun.set(context, operation);
      admittedOperations.set(context, admitted);
    },
    admittedOf: (context) => admittedOperations.get(context) ?? null,
  };
  // In place: a schema made anew would cost a service's start more than all the rest.
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

/** @throws an Error when the schema was not enforced */
export function enforcedOf(schema: GraphQLSchema): Enforced {
  const enforced = schema.extensions[EXTENSION] as Enforced | undefined;
  if (!enforced) {
    throw new Error(
      "The schema's limits are not enforced: give the server enforceLimits(schema, { limits })",
    );
  }
  return enforced;
}

/** An operation whose root fields are all that is seen of it. */
interface OwnOperation {
  run(resolve: () => unknown, info: GraphQLResolveInfo): Promise<unknown>;
}

/** A mutation whose fields below the root fail may never run its other root fields, and nobody tells. */
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
        // Nothing is left of the answer, and no further field of a mutation runs.
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
