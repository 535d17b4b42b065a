/**
 * The code that the billing server and this package share: how an operation is analysed, and the contract between the
 * server and `remoteLimits`. It is internal and may change in any release. Other projects use what `index.ts` exports.
 */

// The directives of a schema, and what an operation costs by them.
export { directiveDefinitions } from './analysis/definitions.js';
export type { EntityRule, EntityRules } from './analysis/entities.js';
export { operationCostOf } from './analysis/operationCost.js';
export { outcomeOf } from './analysis/operationOutcome.js';
export { createPlanner, type OperationPlan, type PlannedField, planOperation } from './analysis/plan.js';
export { type Access, type ArgumentCheck, type FieldRule, type Rules, readRules } from './analysis/rules.js';
export { coerceVariables } from './analysis/variables.js';
export { readWorkWeights, type WorkExtension, type WorkWeights } from './analysis/workWeights.js';
// Who asks, and what is taken from a tenant's limits.
export { ALL_SCOPES, ApiKeyScope } from './apiKeyScope.js';
// Requests of `remoteLimits`.
export {
  MAX_COST,
  MAX_ENDPOINT_LENGTH,
  MAX_NAME_LENGTH,
  MAX_OPERATIONS,
  MAX_PARTS,
  MAX_RECEIPT_LENGTH,
} from './bounds.js';
export { type Concurrency, createConcurrency } from './concurrency.js';
// Tools.
export { errorList } from './errors.js';
export { type FieldLimit, parseWindow } from './fieldLimit.js';
export { createGroupCommit } from './groupCommit.js';
export { MAX_JSON_DEPTH, needGoodValue, valueProblem } from './inputValues.js';
export {
  BASE62,
  formatKey,
  isJwt,
  isTenantToken,
  KEY_ID_LENGTH,
  keyIdOf,
  MAX_TOKEN_LENGTH,
  type ParsedKey,
  parseKey,
  SECRET_LENGTH,
  TENANT_TOKEN_PREFIX,
} from './keyFormat.js';
export {
  type Caller,
  type CallerIdentity,
  type Charge,
  type Limits,
  type OperationCost,
  type Outcome,
  type StorageAmounts,
  sumOf,
} from './limits.js';
export type { EndedOperation, RemoteDecision, RemoteOperation } from './remote/wire.js';
export { apiKeyOfHeaders } from './request.js';
export { restDetails, restName } from './restErrors.js';
export { type Storable, sizeOf } from './storageSize.js';
