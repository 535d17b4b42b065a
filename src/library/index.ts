/** The library: this server's limits, enforced in a team's own schema. */
export { BillingError, ErrorCode } from '../errors.js';
export type { Caller, CallerGrant, CallerRefusal, Limits } from '../services/limits/limits.js';
export type { Demand, Outcome } from '../services/limits/tenantLimits.js';
export { apolloLimits } from './apolloPlugin.js';
export { beginOperation, type OperationRequest } from './beginOperation.js';
export type { DirectLimitsOptions } from './directLimits.js';
export { type EnforceOptions, enforceLimits } from './enforceLimits.js';
export type { Passage } from './guard.js';
export { limitDirectives, limitDirectivesSdl } from './limitDirectives.js';
export { remoteLimits } from './remoteLimits.js';
export type { RemoteLimitsOptions } from './remoteOptions.js';
export { tenantOf } from './tenantOf.js';
export { type YogaLimitsPlugin, yogaLimits } from './yogaPlugin.js';

import type { Limits } from '../services/limits/limits.js';
import type { DirectLimitsOptions } from './directLimits.js';

/**
 * Decides on the billing server's database, as one more instance of it: nothing is asked over HTTP. What it needs is
 * loaded only then.
 * @throws an Error when the catalogue has faults (all are listed), or no database answers in 30 s
 */
export const directLimits = async (options: DirectLimitsOptions): Promise<Limits> =>
  (await import('./directLimits.js')).directLimits(options);
