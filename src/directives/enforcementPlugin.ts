import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ApolloServerPlugin, GraphQLRequestContext } from '@apollo/server';
import {
  type Access,
  ApiKeyScope,
  coerceVariables,
  type EntityRules,
  type OperationPlan,
  type Outcome,
  operationCostOf,
  outcomeOf,
  planOperation,
  type Rules,
  type WorkWeights,
} from '@continuum-billing/limits/core';
import { type GraphQLSchema, type OperationDefinitionNode, OperationTypeNode } from 'graphql';
import type { Logger } from 'pino';
import type { Clock } from '../common/clock.js';
import { type BillingError, badInput, operationTooExpensive, serviceUnavailable } from '../common/errors.js';
import type { Authenticator } from '../services/accounts/authenticator.js';
import { type Principal } from '../services/accounts/principal.js';
import type { IdempotencyKeys } from '../services/idempotency/idempotencyKeys.js';
import { type Gate, SMALL_TEXT } from '../services/infrastructure/gate.js';
import type { CallerSlots } from '../services/limits/callerSlots.js';
import { type Grant, isRefusal, type TenantLimits } from '../services/limits/tenantLimits.js';
import { accessOf, checkAccess, checkTenant } from './access.js';
import { type BadItems, itemTypesOf, setBadItemsAside } from './badItems.js';
import { expectedFailure, isReturnable, isServerError } from './clientErrors.js';
import { type Claims, claimKeys, releaseKeys, returnable, withClaims } from './keyedFields.js';
import { type BoundedContext, boundResponse } from './responseBounds.js';
import { statusOf } from './responseStatus.js';

/** What the plugin needs of a request, and leaves in it for the resolvers. */
export interface EnforcedContext extends BoundedContext {
  readonly startedAtMs: number;
  readonly apiKey: string | null;
  readonly address: string;
  /** To be called when the document is parsed and valid. */
  documentRead(): Promise<void> | undefined;
  /** Calls it when the response is handed over to be sent, also if its client has gone. */
  whenOver(then: () => void): void;
  principal: Principal | null;
  grant: Grant | null;
  /** Items that were taken out of the variables. */
  badItems: BadItems | null;
  /** null: no field has an idempotency key. */
  claims: Claims | null;
}

/** Units of work: a larger operation waits until the others leave room for it, unless it is for paying. */
const LARGE_COST = 5_000;
/** Operations that wait for their decision: past it the database is too slow, and callers are better told so. */
const MAX_DECIDING = 5_000;

/** One operation's way through the plugin. */
interface AdmittedOperation {
  plan: OperationPlan;
  headers: ReadonlyMap<string, string>;
}

/** The schema that is guarded, and what its operations need. */
export interface EnforcementPluginOptions {
  schema: GraphQLSchema;
  rules: Rules;
  costs: WorkWeights;
  /** What one operation may cost, in their units. */
  maxOperationCost: number;
  /** Of the operations that are large. */
  workGate: Gate;
  /** Of operations that cost no calls, which the concurrency of the tier does not count. */
  callerSlots: CallerSlots;
  /** What `_entities` may fetch, where the schema has it. */
  entities?: EntityRules;
  limits: TenantLimits;
  authenticator: Authenticator;
  idempotencyKeys: IdempotencyKeys;
  validateArguments: (coordinate: string, args: Record<string, unknown>) => Promise<BillingError | null>;
  clock: Clock;
  log: Logger;
  /**
   * Answers every operation with 200; its status is in the errors alone. Gateways take another status for a broken
   * subgraph: Apollo's drops the errors' codes then, and the data beside them.
   */
  statusInBody?: boolean;
}

/**
 * Decides every operation whole, after it is parsed and valid and before any resolver: who calls, whether they may,
 * whether the input is good, and whether the limits have room. Ends what it granted when the answer is known.
 */
export function enforcementPlugin(deps: EnforcementPluginOptions): ApolloServerPlugin<EnforcedContext> {
  const { schema, rules, costs, maxOperationCost, workGate, callerSlots, entities, limits } = deps;
  const itemTypes = itemTypesOf(schema, rules);
  const { authenticator, idempotencyKeys, validateArguments, clock, log, statusInBody } = deps;
  const admittedOperations = new WeakMap<EnforcedContext, AdmittedOperation>();
  let deciding = 0;

  async function decide(request: GraphQLRequestContext<EnforcedContext>): Promise<void> {
    const { contextValue: context, document, operation } = request;
    await context.documentRead();
    context.budget.isMutation = operation?.operation === OperationTypeNode.MUTATION;
    if (context.apiKey !== null)
      context.principal = await authenticator.authenticate(context.apiKey, context.address);
    if (operation && !schema.getRootType(operation.operation))
      throw badInput('query', `is a ${operation.operation}, and this API has none`);
    if (!document || !operation) return;
    const given = request.request.variables ?? {};
    // Before anything is done with the variables, which may be a megabyte of nonsense.
    checkAccess(accessOf(schema, rules, document, operation, given), context.principal);
    const variables = coerce(request, operation, given);
    const plan = planOperation(schema, rules, document, operation, variables, entities, costs);
    admittedOperations.set(context, { plan, headers: new Map() });
    checkAccess(plan.access, context.principal);
    checkTenant(plan, context.principal);
    checkWork(plan);
    if (!plan.metered) context.whenOver(await callerSlots.take(context, isPaying(plan)));
    for (const { rule, args } of plan.roots) {
      if (!rule) continue;
      // First the constraints: a check may rely on them.
      const fault = await validateArguments(rule.coordinate, args);
      if (fault) throw fault;
      rule.check?.(args, clock.now());
    }
    if (plan.work && plan.work.cost > LARGE_COST && !isPaying(plan))
      context.whenOver(await workGate.enter(callerOf(context), plan.work.cost));
    const { principal } = context;
    if (principal?.kind === 'tenant')
      context.claims = await claimKeys(idempotencyKeys, plan, principal.tenantId);
    await take(withClaims(plan, context.claims), context);
  }

  /** What graphql-js rejects is looked at item by item; good variables cost nothing more. */
  function coerce(
    { contextValue: context, request }: GraphQLRequestContext<EnforcedContext>,
    operation: OperationDefinitionNode,
    given: Record<string, unknown>,
  ): Record<string, unknown> {
    try {
      return coerceVariables(schema, operation, given);
    } catch (error) {
      const aside = setBadItemsAside(schema, operation, given, itemTypes);
      if (!aside) throw error;
      request.variables = aside.variables;
      context.badItems = aside.badItems;
      return coerceVariables(schema, operation, aside.variables);
    }
  }

  function checkWork({ work }: OperationPlan): void {
    if (!work || work.cost <= maxOperationCost) return;
    const { cost, heaviestField: field } = work;
    const problem = `It costs ${cost} units of work, and may cost ${maxOperationCost}: select less of ${field}, or split the operation`;
    throw operationTooExpensive(problem, { cost, limit: maxOperationCost, field });
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
    admittedOperations.set(context, { plan, headers: outcome.headers });
    if (isRefusal(outcome)) {
      await releaseKeys(idempotencyKeys, context.claims);
      throw outcome.error;
    }
    context.grant = outcome;
  }

  async function end(request: GraphQLRequestContext<EnforcedContext>, crashed = false): Promise<void> {
    const { contextValue: context, errors = [], operation } = request;
    const { grant } = context;
    const admitted = admittedOperations.get(context);
    if (!grant || !admitted || !operation) return;
    context.grant = null;
    const result = { kind: operation.operation, errors, hasData: !crashed && hasData(request) };
    const outcome = outcomeOf(admitted.plan, result, { isServerError, isReturnable });
    const ended = endGrant(grant, outcome, context.claims).catch((error: unknown) => {
      log.error({ err: error }, 'operation.not_ended');
    });
    // The answer does not wait for a database that is away.
    if (!errors.filter(isServerError).some(expectedFailure)) await ended;
  }

  /** A key is released last: a crash before leaves the next attempt to find out whether calls are charged. */
  async function endGrant(grant: Grant, outcome: Outcome, claims: Claims | null): Promise<void> {
    if (!claims) return grant.end(outcome);
    let returned: Outcome['returned'] = [];
    try {
      returned = await returnable(idempotencyKeys, claims, outcome.returned);
    } finally {
      // Calls stay counted while that is not known: the next attempt finds that they are paid for.
      await grant.end({ ...outcome, returned });
    }
    await releaseKeys(idempotencyKeys, claims);
  }

  /** For metered operations that were refused before their calls were looked at. */
  async function addHeaders(context: EnforcedContext, headers: Map<string, string>): Promise<void> {
    if (context.principal?.kind !== 'tenant') return;
    const known = await limits.headers(context.principal.tenantId).catch(() => new Map<string, string>());
    for (const [name, value] of known) headers.set(name, value);
  }

  return {
    async requestDidStart() {
      return {
        // To parse a large document takes as long as to validate it: others get a turn in between.
        async validationDidStart({ source }) {
          if (source.length > SMALL_TEXT) await nextTurn();
        },
        didResolveOperation: decide,
        async willSendResponse(request) {
          await end(request);
          const { response, contextValue: context, errors = [] } = request;
          await boundResponse(response, context.budget);
          const admitted = admittedOperations.get(context);
          response.http.headers.set('cache-control', 'no-store');
          for (const [name, value] of admitted?.headers ?? []) response.http.headers.set(name, value);
          if (admitted?.plan.metered) {
            const isAway = errors.some(isServerError);
            if (admitted.headers.size === 0 && !isAway) await addHeaders(context, response.http.headers);
            const durationMs = performance.now() - context.startedAtMs;
            response.http.headers.set('x-request-duration-ms', durationMs.toFixed(2));
          }
          const [fault] = errors.filter(isServerError);
          const faultHeaders = fault && expectedFailure(fault)?.headers;
          for (const [name, value] of Object.entries(faultHeaders ?? {}))
            response.http.headers.set(name, value);
          const status = statusInBody ? 200 : statusOf(response.body);
          if (status !== null) response.http.status = status;
        },
      };
    },
    async unexpectedErrorProcessingRequest({ requestContext }) {
      await end(requestContext, true);
    },
  };
}

/** Whether it does nothing but change what the tenant buys. */
const isPaying = ({ roots }: OperationPlan): boolean =>
  roots.length > 0 && roots.every(({ rule }) => isBilling(rule?.access));

const isBilling = (access: Access | null | undefined): boolean =>
  access?.kind === 'scope' && access.scope === ApiKeyScope.BILLING;

function callerOf({ principal, address }: EnforcedContext): string {
  if (!principal) return `address ${address}`;
  return principal.kind === 'tenant' ? `tenant ${principal.tenantId}` : principal.kind;
}

const hasData = ({ response }: GraphQLRequestContext<EnforcedContext>): boolean =>
  response.body?.kind === 'single' && response.body.singleResult.data != null;
