/** Enforces the limits of a billing server in your own schema, and on routes without GraphQL. */

export { apolloLimits } from './apolloPlugin.js';
export { beginOperation, type OperationRequest } from './beginOperation.js';
export type { IdentifiedCaller } from './callers.js';
export { type EnforceOptions, enforceLimits } from './enforceLimits.js';
export { BillingError, ErrorCode } from './errors.js';
export type { AdmittedOperation } from './guard.js';
export { type ExpressMiddleware, type ExpressRequest, expressLimits } from './http/expressLimits.js';
export {
  type FastifyLimitsHook,
  fastifyLimits,
  type LimitedFastifyReply,
  type LimitedFastifyRequest,
} from './http/fastifyLimits.js';
export { type HttpLimitsOptions, tenantOfRequest } from './http/httpGuard.js';
export type { RouteLimits } from './http/routeLimits.js';
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
