import type { Logger } from 'pino';
import type { Clock } from '../../common/clock.js';
import type { JwtConfig } from '../../config/jwtConfig.js';
import type { Models } from '../../models/models.js';
import type { AuditLog } from '../audit/auditLog.js';
import type { Entitlements } from '../tiers/entitlements.js';
import type { Tiers } from '../tiers/tiers.js';
import { type ApiKeys, createApiKeys } from './apiKeys.js';
import { type Authenticator, createAuthenticator } from './authenticator.js';
import { type Callers, createCallers } from './callers.js';
import { createGuessLimit, type GuessLimit } from './guessLimit.js';
import { createJwtAuthenticator } from './jwt.js';
import { createLimitOverrides, type LimitOverrides } from './limitOverrides.js';
import { createSessions, type Sessions } from './sessions.js';
import { createTenantDirectory, type TenantDirectory } from './tenantDirectory.js';
import { createTenantLifecycle, type TenantLifecycle } from './tenantLifecycle.js';
import { createTenants, type Tenants } from './tenants.js';
import { createTenantTokens, type TenantTokens } from './tenantTokens.js';
import { createWorkQueue, KEY_HASHES } from './workQueue.js';

/** Tenants, and the API keys and tokens that identify them. */
export interface Accounts {
  apiKeys: ApiKeys;
  authenticator: Authenticator;
  callers: Callers;
  guesses: GuessLimit;
  sessions: Sessions;
  tenantDirectory: TenantDirectory;
  limitOverrides: LimitOverrides;
  tenantLifecycle: TenantLifecycle;
  tenants: Tenants;
  tenantTokens: TenantTokens;
}

export function createAccounts(deps: {
  models: Models;
  clock: Clock;
  log: Logger;
  auditLog: AuditLog;
  adminApiKeys: readonly string[];
  /** null if no JWTs are accepted. */
  jwt: JwtConfig | null;
  /** The prefix of new keys: `ctm_live_…` or `ctm_test_…`. */
  keyKind: 'live' | 'test';
  tiers: Tiers;
  entitlements: Pick<Entitlements, 'forget' | 'isInForce'>;
}): Accounts {
  const { models, clock, log, auditLog, adminApiKeys, keyKind, tiers, entitlements } = deps;
  const base = { models, clock, log, auditLog };
  const guesses = createGuessLimit(base);
  const keyHashes = createWorkQueue(KEY_HASHES);
  const tenantDirectory = createTenantDirectory(base);
  const changed = (tenantId: string) => {
    entitlements.forget(tenantId);
    tenantDirectory.forget(tenantId);
  };
  const jwt =
    deps.jwt &&
    createJwtAuthenticator({
      ...base,
      config: deps.jwt,
      guesses,
      tenantDirectory,
      createTenant: (tenant) => tenants.ensure(tenant),
    });
  jwt?.preload();
  const tenantTokens = createTenantTokens({ ...base, connection: models.connection });
  const authenticator = createAuthenticator({
    ...base,
    adminApiKeys,
    guesses,
    keyHashes,
    jwt,
    tenantDirectory,
    tenantTokens,
  });
  const sessions = createSessions({ ...base, adminApiKeys, authenticator, tenantDirectory });
  const apiKeys = createApiKeys({
    ...base,
    authenticator,
    keyHashes,
    kind: keyKind,
    hasAdminKey: adminApiKeys.length > 0,
  });
  const tenants: Tenants = createTenants({ ...base, apiKeys, changed });
  const tenantLifecycle = createTenantLifecycle({ ...base, changed });
  const limitOverrides = createLimitOverrides({
    ...base,
    changed,
    tiers,
    isInForce: entitlements.isInForce,
  });
  return {
    apiKeys,
    authenticator,
    callers: createCallers({ authenticator, sessions }),
    guesses,
    sessions,
    limitOverrides,
    tenantDirectory,
    tenantLifecycle,
    tenants,
    tenantTokens,
  };
}
