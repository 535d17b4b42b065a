/**
 * What the billing server itself is built from: errors, the analysis of an operation, and the contract between the
 * server and `remoteLimits`. It may change in any release; other projects use what `index.ts` exports.
 */

export * from './analysis/access.js';
export * from './analysis/definitions.js';
export * from './analysis/entities.js';
export * from './analysis/operationCost.js';
export * from './analysis/operationOutcome.js';
export * from './analysis/plan.js';
export * from './analysis/rules.js';
export * from './analysis/variables.js';
export * from './analysis/workWeights.js';
export * from './apiKeyScope.js';
export * from './concurrency.js';
export * from './endpointName.js';
export * from './errors.js';
export * from './faults.js';
export * from './fieldLimit.js';
export * from './groupCommit.js';
export * from './inputValues.js';
export * from './keyFormat.js';
export * from './limits.js';
export * from './remote/batches.js';
export * from './remote/operationBounds.js';
export * from './remote/wire.js';
export * from './storageSize.js';
