import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import type { Tenants } from '../accounts/tenants.js';
import type { AuditLog } from '../audit/auditLog.js';
import { createSigner } from '../infrastructure/signer.js';
import type { Admission } from '../limits/calls/admission.js';
import { createTenantExports, type TenantExports } from './tenantExports.js';

/** All data of a tenant at once. */
export interface TenantDataServices {
  tenantExports: TenantExports;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const MAX_TOKEN_LENGTH = 300;

export function createTenantDataServices(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  auditLog: AuditLog;
  tenants: Tenants;
  admission: Admission;
  publicUrl: () => string;
}): TenantDataServices {
  const { models, clock, log } = deps;
  const signer = createSigner({
    connection: models.connection,
    clock,
    log,
    purpose: 'exportLinkKeys',
    maxLength: MAX_TOKEN_LENGTH,
  });
  return {
    tenantExports: createTenantExports({ ...deps, signer }),
    start: signer.start,
    async stop() {
      signer.stop();
    },
  };
}
