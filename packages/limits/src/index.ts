/** Enforces the limits of a billing server in your own schema. */

export { apolloLimits } from './apolloPlugin.js';
export { beginOperation, type OperationRequest } from './beginOperation.js';
export { type EnforceOptions, enforceLimits, type IdentifiedCaller } from './enforceLimits.js';
export { BillingError, ErrorCode } from './errors.js';
export type { AdmittedOperation } from './guard.js';
export { limitDirectives, limitDirectivesSdl } from './limitDirectives.js';
export type {
  Caller,
  CallerGrant,
  CallerIdentity,
  CallerRefusal,
  Limits,
  OperationCost,
  Outcome,
} from './limits.js';
export { remoteLimits } from './remote/remoteLimits.js';
export type { RemoteLimitsOptions } from './remote/remoteOptions.js';
export { tenantOf } from './tenantOf.js';
export { type YogaLimitsPlugin, yogaLimits } from './yogaPlugin.js';
