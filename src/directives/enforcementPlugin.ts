import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type ApolloServerPlugin,
  type GraphQLRequestContext,
  type GraphQLRequestListener,
  HeaderMap,
} from '@apollo/server';
import {
  type Access,
  ApiKeyScope,
  coerceVariables,
  createPlanner,
  type EntityRules,
  type OperationCost,
  type OperationPlan,
  type Outcome,
  operationCostOf,
  outcomeOf,
  type Rules,
  type WorkWeights,
} from '@continuum-billing/limits/core';
import {
  createSourceEventStream,
  type DocumentNode,
  type GraphQLSchema,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql';
import type { Logger } from 'pino';
import type { Clock } from '../common/clock.js';
import { type BillingError, badInput, ErrorCode, serviceUnavailable } from '../common/errors.js';
import type { Callers, Credential } from '../services/accounts/callers.js';
import { type Principal } from '../services/accounts/principal.js';
import type { IdempotencyKeys } from '../services/idempotency/idempotencyKeys.js';
import { SMALL_TEXT } from '../services/infrastructure/gate.js';
import type { Metrics } from '../services/infrastructure/metrics.js';
import type { CallerSlots } from '../services/limits/callerSlots.js';
import { type Grant, isRejection, type TenantLimits } from '../services/limits/tenantLimits.js';
import type { Mailbox } from '../services/realtime/mailbox.js';
import { checkAccess, checkTenant, createAccessReader } from './access.js';
import { type BadItems, itemTypesOf, removeBadItems } from './badItems.js';
import { codeOf, expectedFailure, isReturnable, isServerError, statusOf } from './clientErrors.js';
import { markConditional } from './conditionalSubscriptions.js';
import { acquireKeys, type KeyStates, releaseKeys, returnable, withKeyStates } from './keyedFields.js';
import { boundedName, type ErrorLog, errorFields, type LoggedRequest, nameCaller } from './loggedRequest.js';
import { type BoundedContext, boundResponse } from './responseBounds.js';
import type { WorkBounds } from './workBounds.js';

/** The part of the request context that the plugin reads, and fills in for the resolvers. */
export interface EnforcedContext extends BoundedContext {
  /** Filled in for the logs. */
  readonly logged: LoggedRequest;
  readonly startedAtMs: number;
  /** null if the client sent none. */
  readonly credential: Credential | null;
  readonly address: string;
  /** Must be called once the document has been parsed and validated. */
  documentRead(): Promise<void> | undefined;
  /** Calls the function when the response is handed over for sending, even if the client has disconnected. */
  whenOver(then: () => void): void;
  principal: Principal | null;
  /** null: the operation has no plan yet. */
  checked: CheckedOperation | null;
  grant: Grant | null;
  /** Items that were removed from the variables. */
  badItems: BadItems | null;
  /** null if no field has an idempotency key. */
  keyStates: KeyStates | null;
  /** null: the client gets one response, and cannot subscribe. */
  readonly live: LiveOperation | null;
}

/** An operation of a client that can receive more than one response. */
export interface LiveOperation {
  /** Counts a stream for the client. @throws RATE_LIMITED if it has too many */
  reserve(): Promise<void>;
  /**
   * For a query or mutation: waits until the streams that the client asked for before it listen, so that nothing happens
   * unseen between what it reads and the first message.
   */
  afterStreams(): Promise<void>;
  /** null until a subscription has been accepted. */
  accepted: AcceptedSubscription | null;
}

export interface AcceptedSubscription {
  document: DocumentNode;
  /** Apollo runs an operation with a copy of its context: this is the copy, which knows the caller. */
  context: EnforcedContext;
  source: Mailbox;
  /** What it takes from the limits of its tenant; null: nothing. */
  cost: OperationCost | null;
  /** The units of work of one message. */
  work: number;
  /** Waits for the turn of a large message, and returns a function that ends it; null if messages are small. */
  enterGate: (() => Promise<() => void>) | null;
}

/** Operations that may wait for their decision. With more, the database is too slow and new operations fail fast. */
const MAX_DECIDING = 5_000;

/** An operation whose access has been checked. */
export interface CheckedOperation {
  plan: OperationPlan;
  headers: ReadonlyMap<string, string>;
  /** null: it was not needed, or is not known. */
  tier: string | null;
}

const NO_HEADERS: ReadonlyMap<string, string> = new Map();

/** The schema to guard, and what the plugin needs to decide its operations. */
export interface EnforcementPluginOptions {
  schema: GraphQLSchema;
  rules: Rules;
  costs: WorkWeights;
  /** Bounds the cost of operations, in the units of `costs`. All endpoints of a process share it. */
  work: WorkBounds;
  /** Bounds concurrent operations that cost no calls, which the tier's concurrency limit does not count. */
  callerSlots: CallerSlots;
  /** The entities that `_entities` can fetch, if the schema is a subgraph. */
  entities?: EntityRules;
  limits: TenantLimits;
  callers: Callers;
  idempotencyKeys: IdempotencyKeys;
  validateArguments: (coordinate: string, args: Record<string, unknown>) => BillingError | null;
  clock: Clock;
  log: Logger;
  errorLog: ErrorLog;
  metrics: Metrics;
  /**
   * Sends every response with status 200 and the actual status only in the errors. Gateways treat any other status as a
   * broken subgraph: Apollo's then drops the codes of the errors, and partial data.
   */
  statusInBody?: boolean;
}

/**
 * Accepts or rejects every operation as a whole, after validation and before any resolver runs: it authenticates the
 * caller, checks access and input, and charges the cost to the limits. Once the response is known, it settles the cost:
 * calls and storage that were not used are returned.
 */
export function enforcementPlugin(deps: EnforcementPluginOptions): ApolloServerPlugin<EnforcedContext> {
  const { schema, rules, costs, work, callerSlots, entities, limits } = deps;
  const itemTypes = itemTypesOf(schema, rules);
  const planOf = createPlanner(schema, rules, entities, costs);
  const accessOf = createAccessReader(schema, rules);
  const { callers, idempotencyKeys, validateArguments, clock } = deps;
  const { log, errorLog, metrics, statusInBody } = deps;
  let deciding = 0;

  async function decide(request: GraphQLRequestContext<EnforcedContext>): Promise<void> {
    const { contextValue: context, document, operation } = request;
    const { logged } = context;
    logged.operation = boundedName(operation?.name?.value);
    logged.operationType = operation?.operation;
    const read = context.documentRead();
    if (read) await read;
    context.budget.isMutation = operation?.operation === OperationTypeNode.MUTATION;
    context.principal = await callers.identify(context.credential, context.address);
    nameCaller(logged, context.principal);
    if (operation && !schema.getRootType(operation.operation))
      throw badInput('query', `is a ${operation.operation}, and this API has none`);
    if (!document || !operation) return;
    const isSubscription = operation.operation === OperationTypeNode.SUBSCRIPTION;
    if (isSubscription && !context.live) throw badInput('query', ONLY_LIVE);
    if (!isSubscription) await context.live?.afterStreams();
    const given = request.request.variables ?? {};
    // Checked before the variables are coerced, because an unauthorized caller may send a megabyte of them.
    checkAccess(accessOf(document, operation, given), context.principal);
    const variables = coerce(request, operation, given);
    const plan = planOf(document, operation, variables);
    context.checked = { plan, headers: NO_HEADERS, tier: null };
    logged.cost = plan.calls;
    checkAccess(plan.access, context.principal);
    // A subscription says whose messages it wants, even of an operator.
    if (!isSubscription) checkTenant(plan, context.principal);
    if (plan.work) work.check(plan.work, { isMessage: isSubscription });
    if (isSubscription && plan.roots.length === 0) throw badInput('query', 'must select a field of Realtime');
    if (!plan.metered) context.whenOver(await callerSlots.take(context, isBillingOnly(plan)));
    for (const { rule, args } of plan.roots) {
      if (!rule) continue;
      // Constraints come first, because a check may rely on them.
      const invalid = validateArguments(rule.coordinate, args);
      if (invalid) throw invalid;
      rule.check?.(args, clock.now());
    }
    const enterGate = gateOf(plan, context);
    if (enterGate) context.whenOver(await enterGate());
    const { principal } = context;
    if (principal?.kind === 'tenant')
      context.keyStates = await acquireKeys(idempotencyKeys, plan, principal.tenantId);
    if (isSubscription) await context.live?.reserve();
    await take(withKeyStates(plan, context.keyStates), context);
    if (isSubscription) await subscribe(request, plan);
  }

  /** @returns null for an operation that need not wait for others */
  const gateOf = (plan: OperationPlan, context: EnforcedContext): (() => Promise<() => void>) | null =>
    isBillingOnly(plan) ? null : work.gateOf(plan.work?.cost ?? 0, context);

  /**
   * Opens the stream of a subscription that was accepted. Its tenant need not be the caller's, which `take` has checked.
   */
  async function subscribe(
    { contextValue: context, document, request }: GraphQLRequestContext<EnforcedContext>,
    plan: OperationPlan,
  ): Promise<void> {
    const { live, principal } = context;
    if (!live || !document) return;
    const source = await createSourceEventStream({
      schema,
      document,
      contextValue: context,
      variableValues: request.variables ?? null,
      operationName: request.operationName ?? null,
    });
    if (!(Symbol.asyncIterator in source))
      throw source.errors?.[0] ?? new Error('the subscription has no events');
    const cost = operationCostOf(plan);
    const enterGate = gateOf(plan, context);
    live.accepted = {
      document,
      context,
      source: source as Mailbox,
      cost,
      work: plan.work?.cost ?? 1,
      enterGate,
    };
    if (!cost || principal?.kind === 'tenant') return;
    const error = await limits.standing(cost, live.accepted.source.tenantId);
    if (error) throw error;
  }

  /** Only variables that graphql-js rejects are checked item by item, so that valid ones cost nothing extra. */
  function coerce(
    { contextValue: context, request }: GraphQLRequestContext<EnforcedContext>,
    operation: OperationDefinitionNode,
    given: Record<string, unknown>,
  ): Record<string, unknown> {
    try {
      return coerceVariables(schema, operation, given);
    } catch (error) {
      const remaining = removeBadItems(schema, operation, given, itemTypes);
      if (!remaining) throw error;
      request.variables = remaining.variables;
      context.badItems = remaining.badItems;
      return coerceVariables(schema, operation, remaining.variables);
    }
  }

  async function take(plan: OperationPlan, context: EnforcedContext): Promise<void> {
    const cost = operationCostOf(plan);
    if (cost && context.principal?.kind === 'operator') {
      const error = await limits.takeAsOperator(cost.fieldLimits);
      if (error) throw error;
    }
    if (!cost || context.principal?.kind !== 'tenant') return;
    if (deciding === MAX_DECIDING) throw serviceUnavailable('The server is overloaded; try again shortly');
    deciding++;
    const outcome = await limits.take(cost, context.principal.tenantId).finally(() => deciding--);
    context.checked = { plan, headers: outcome.headers, tier: outcome.tier };
    if (isRejection(outcome)) {
      await releaseKeys(idempotencyKeys, context.keyStates);
      throw outcome.error;
    }
    context.grant = outcome;
  }

  async function end(request: GraphQLRequestContext<EnforcedContext>, crashed = false): Promise<void> {
    const { contextValue: context, errors = [], operation } = request;
    const { grant, checked } = context;
    if (!grant || !checked || !operation) return;
    context.grant = null;
    const result = { kind: operation.operation, errors, hasData: !crashed && hasData(request) };
    const outcome = outcomeOf(checked.plan, result, { isServerError, isReturnable });
    const ended = endGrant(grant, outcome, context.keyStates).catch((error: unknown) => {
      log.error({ ...errorFields(context.logged), err: error }, 'operation.not_ended');
    });
    // The response does not wait for a database that is unavailable.
    if (!errors.filter(isServerError).some(expectedFailure)) await ended;
  }

  /** A key is released last: if the server crashes before that, the next attempt finds out whether calls were charged. */
  async function endGrant(grant: Grant, outcome: Outcome, keyStates: KeyStates | null): Promise<void> {
    if (!keyStates) return grant.end(outcome);
    let returned: Outcome['returned'] = [];
    try {
      returned = await returnable(idempotencyKeys, keyStates, outcome.returned);
    } finally {
      // If that is not known, the calls stay counted, and the next attempt finds that they are already charged.
      await grant.end({ ...outcome, returned });
    }
    await releaseKeys(idempotencyKeys, keyStates);
  }

  /** Adds rate limit headers for metered operations that were rejected before their calls were decided. */
  async function addHeaders(context: EnforcedContext, headers: Map<string, string>): Promise<void> {
    if (context.principal?.kind !== 'tenant') return;
    const known = await limits.headers(context.principal.tenantId).catch(() => new Map<string, string>());
    for (const [name, value] of known) headers.set(name, value);
  }

  /** One for all requests, which it knows by their contexts. */
  const listener: GraphQLRequestListener<EnforcedContext> = {
    async didEncounterErrors(request) {
      for (const error of request.errors) errorLog(error, request.contextValue.logged);
    },
    // Parsing and validating a large document take about equally long, so other requests run in between.
    async validationDidStart(request) {
      if (request.source.length > SMALL_TEXT) await nextTurn();
      markConditional(schema, request);
    },
    didResolveOperation: decide,
    // The messages are executed one by one, later: see liveOperations.ts.
    async responseForOperation({ contextValue: { live } }) {
      if (!live?.accepted) return null;
      return { http: { headers: new HeaderMap() }, body: { kind: 'single', singleResult: { data: {} } } };
    },
    async willSendResponse(request) {
      await end(request);
      const { response, contextValue: context, errors = [] } = request;
      const { checked } = context;
      await boundResponse(response, context.budget);
      response.http.headers.set('cache-control', 'no-store');
      for (const [name, value] of checked?.headers ?? NO_HEADERS) response.http.headers.set(name, value);
      if (checked?.plan.metered) {
        const isUnavailable = errors.some(isServerError);
        if (checked.headers.size === 0 && !isUnavailable) await addHeaders(context, response.http.headers);
        const durationMs = performance.now() - context.startedAtMs;
        response.http.headers.set('x-request-duration-ms', durationMs.toFixed(2));
      }
      const serverError = errors.find(isServerError);
      const errorHeaders = serverError && expectedFailure(serverError)?.headers;
      for (const [name, value] of Object.entries(errorHeaders ?? {})) response.http.headers.set(name, value);
      context.logged.code = codeOf(response.body);
      const status = statusInBody ? 200 : statusOf(response.body);
      if (status !== null) response.http.status = status;
      metrics.operationAnswered(context.logged.code ?? 'OK', checked?.tier ?? null);
    },
  };

  return {
    requestDidStart: async () => listener,
    async unexpectedErrorProcessingRequest({ requestContext, error }) {
      errorLog(error, requestContext.contextValue.logged);
      await end(requestContext, true);
      metrics.operationAnswered(ErrorCode.INTERNAL_SERVER_ERROR, null);
    },
  };
}

const ONLY_LIVE =
  'is a subscription: send it over a WebSocket with the subprotocol graphql-transport-ws, or with the header accept: text/event-stream';

/** Whether all root fields of an operation are about billing. */
const isBillingOnly = ({ roots }: OperationPlan): boolean =>
  roots.length > 0 && roots.every(({ rule }) => isBilling(rule?.access));

const isBilling = (access: Access | null | undefined): boolean =>
  access?.kind === 'scope' && access.scope === ApiKeyScope.BILLING;

const hasData = ({ response }: GraphQLRequestContext<EnforcedContext>): boolean =>
  response.body?.kind === 'single' && response.body.singleResult.data != null;
