import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  isObjectType,
  type OperationDefinitionNode,
} from 'graphql';
import { type Admitted, admit } from './admission.js';
import type { EntityRules } from './analysis/entities.js';
import { operationCostOf } from './analysis/operationCost.js';
import { type OperationResult, outcomeOf } from './analysis/operationOutcome.js';
import { createPlanner } from './analysis/plan.js';
import { readRules } from './analysis/rules.js';
import { ApiKeyScope } from './apiKeyScope.js';
import { ErrorCode } from './errors.js';
import type { CallerIdentity, Limits } from './limits.js';

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

/** An operation that was accepted. Its tenant is null if no limit applies to it, unless `identify` names the tenant. */
export interface AdmittedOperation extends Omit<Admitted, 'end'> {
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

/**
 * @param callerNeeded the message for operations that limits apply to, without a caller
 * @throws an Error that lists every directive with invalid arguments
 */
export function createGuard(schema: GraphQLSchema, limits: Limits, callerNeeded: string): Guard {
  const { features, resources } = limits;
  const rules = readRules(schema, { features, resources, storesMemories: false, needAccess: false });
  const planOf = createPlanner(schema, rules, entitiesOf(schema));

  return {
    async begin({ document, operation, variables, caller, address }) {
      const plan = planOf(document, operation, variables);
      const kind = operation.operation;
      const scope = kind === 'mutation' ? ApiKeyScope.WRITE : ApiKeyScope.READ;
      const cost = operationCostOf(plan);
      const admitted = await admit(limits, { caller, address, scope, cost, callerNeeded });
      return {
        ...admitted,
        rootFields: cost ? plan.roots.length : 0,
        end: (result) => admitted.end(outcomeOf(plan, { kind, ...result }, FAILURE_RULES)),
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
