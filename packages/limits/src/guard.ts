import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  isObjectType,
  type OperationDefinitionNode,
} from 'graphql';
import type { EntityRules } from './analysis/entities.js';
import { operationCostOf } from './analysis/operationCost.js';
import { type OperationResult, outcomeOf } from './analysis/operationOutcome.js';
import { createPlanner } from './analysis/plan.js';
import { readRules } from './analysis/rules.js';
import { ApiKeyScope } from './apiKeyScope.js';
import { BillingError, ErrorCode, unauthenticated } from './errors.js';
import type { CallerIdentity, Limits, OperationCost, Outcome } from './limits.js';

/** An operation that has not begun to run. */
export interface Operation {
  document: DocumentNode;
  operation: OperationDefinitionNode;
  /** The variables as graphql coerced them. */
  variables: Record<string, unknown>;
  /** null if it is not known. */
  caller: CallerIdentity | null;
  /** The client's address; null if unknown. */
  address: string | null;
}

/** An operation that was accepted. */
export interface AdmittedOperation {
  /** null if no limit applies to the operation, unless `identify` names its tenant. */
  tenantId: string | null;
  tier: string | null;
  /** Rate limit headers to send with the response. */
  headers: ReadonlyMap<string, string>;
  /** The number of root fields that it selects. */
  rootFields: number;
  /** Returns the calls of root fields that failed with a server error or BAD_USER_INPUT. Must be called whatever happened; only the first call has an effect. */
  end(result: Omit<OperationResult, 'kind'>): Promise<void>;
}

/** Decides the operations of one schema. */
export interface Guard {
  /** @throws a GraphQLError with a code, a status and headers if the operation is rejected */
  begin(operation: Operation): Promise<AdmittedOperation>;
}

/** Errors that resolvers throw without a code are server errors. */
const SERVER_ERROR_CODES: readonly unknown[] = [
  undefined,
  ErrorCode.INTERNAL_SERVER_ERROR,
  ErrorCode.SERVICE_UNAVAILABLE,
];
const FAILURE_RULES = {
  isServerError: ({ extensions }: GraphQLError) => SERVER_ERROR_CODES.includes(extensions.code),
  isReturnable: ({ extensions }: GraphQLError) =>
    SERVER_ERROR_CODES.includes(extensions.code) || extensions.code === ErrorCode.BAD_USER_INPUT,
};

const FREE: AdmittedOperation = {
  tenantId: null,
  tier: null,
  headers: new Map(),
  rootFields: 0,
  end: async () => {},
};

const NO_COST: OperationCost = {
  charges: [],
  features: [],
  fieldLimits: [],
  stores: new Map(),
  concurrent: false,
};
const NOTHING_RETURNED: Outcome = { failed: false, notStored: new Set(), returned: [] };

/**
 * @param callerNeeded the message for operations that limits apply to, without a caller
 * @throws an Error that lists every directive with invalid arguments
 */
export function createGuard(schema: GraphQLSchema, limits: Limits, callerNeeded: string): Guard {
  const { features, resources } = limits;
  const rules = readRules(schema, { features, resources, storesMemories: false, needAccess: false });
  const planOf = createPlanner(schema, rules, entitiesOf(schema));

  /** No limit applies to the operation, so it runs even if its tenant cannot be found. Limits remember tenants. */
  async function withoutLimits(caller: CallerIdentity | null): Promise<AdmittedOperation> {
    if (caller === null || 'apiKey' in caller) return FREE;
    const asked = { ...caller, address: null, scope: ApiKeyScope.READ };
    const taken = await limits.take(asked, NO_COST).catch(() => null);
    if (taken?.kind !== 'granted') return FREE;
    await taken.end(NOTHING_RETURNED);
    return { ...FREE, tenantId: taken.tenantId, tier: taken.tier };
  }

  return {
    async begin({ document, operation, variables, caller, address }) {
      const plan = planOf(document, operation, variables);
      const cost = operationCostOf(plan);
      if (!cost) return withoutLimits(caller);
      if (caller === null) throw unauthenticated(callerNeeded);
      const kind = operation.operation;
      const scope = kind === 'mutation' ? ApiKeyScope.WRITE : ApiKeyScope.READ;
      const taken = await limits.take({ ...caller, address, scope }, cost);
      if (taken.kind === 'refused') throw withHeaders(taken.error, taken.headers);
      const { tenantId, tier, headers } = taken;
      let ended = false;
      return {
        tenantId,
        tier,
        headers,
        rootFields: plan.roots.length,
        async end(result) {
          if (ended) return;
          ended = true;
          // The result is final: calls that cannot be returned stay counted.
          await taken.end(outcomeOf(plan, { kind, ...result }, FAILURE_RULES)).catch(() => undefined);
        },
      };
    },
  };
}

/** Entities that a gateway fetches are free; the fields below them cost what their directives say. */
function entitiesOf(schema: GraphQLSchema): EntityRules {
  const union = schema.getType('_Entity');
  const types = union && 'getTypes' in union ? union.getTypes() : [];
  return new Map(types.filter(isObjectType).map(({ name }) => [name, { key: null, rule: null }]));
}

function withHeaders(error: BillingError, headers: ReadonlyMap<string, string>): BillingError {
  const { code, message, details } = error;
  return new BillingError(code, message, details, { ...Object.fromEntries(headers), ...error.headers });
}
