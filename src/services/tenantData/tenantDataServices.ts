import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import type { Authenticator } from '../accounts/authenticator.js';
import type { Tenants } from '../accounts/tenants.js';
import type { AuditLog } from '../audit/auditLog.js';
import type { CustomerErasure } from '../billing/customers/customerErasure.js';
import { createLease } from '../infrastructure/lease.js';
import { createSigner } from '../infrastructure/signer.js';
import { createErasures, type Erasures } from './erasures.js';
import { createTenantExports, type TenantExports } from './tenantExports.js';

/** All data of a tenant at once. */
export interface TenantDataServices {
  erasures: Erasures;
  tenantExports: TenantExports;
  start(): Promise<void>;
  stop(): Promise<void>;
}

const MAX_TOKEN_LENGTH = 300;
/** Erasing renews it before each batch. A request to Stripe may take longer; two erasures at once do no harm. */
const ERASURE_LEASE_MS = 60_000;

export function createTenantDataServices(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  auditLog: AuditLog;
  tenants: Tenants;
  authenticator: Authenticator;
  customerErasure: CustomerErasure;
  publicUrl: () => string;
  /** Clears the caches of a tenant on this instance. */
  tenantChanged: (tenantId: string) => void;
}): TenantDataServices {
  const { models, clock, log } = deps;
  const signer = createSigner({
    connection: models.connection,
    clock,
    log,
    purpose: 'exportLinkKeys',
    maxLength: MAX_TOKEN_LENGTH,
  });
  const lease = createLease({ models, name: 'erasures', ttlMs: ERASURE_LEASE_MS, isPeriodic: true });
  const erasures = createErasures({ ...deps, lease });
  return {
    erasures,
    tenantExports: createTenantExports({ ...deps, signer }),
    async start() {
      await signer.start();
      erasures.start();
    },
    async stop() {
      signer.stop();
      await erasures.stop();
    },
  };
}
