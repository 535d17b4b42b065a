import { errorList, type Limits } from '@continuum-billing/limits/core';
import { type Logger, pino } from 'pino';
import defaultCatalogue from '../catalogue.json' with { type: 'json' };
import { parseCatalogue } from './catalogue/catalogue.js';
import { startAgreedClock } from './common/agreedClock.js';
import { badInput } from './common/errors.js';
import { isProduction } from './config/config.js';
import { type JwtConfig, type JwtSettings, readJwt } from './config/jwtConfig.js';
import { connectDatabase } from './database.js';
import { needMigrated } from './migrations/migrations.js';
import { createModels } from './models/models.js';
import { createAccounts } from './services/accounts/accounts.js';
import { createAuditLog } from './services/audit/auditLog.js';
import { noMetrics } from './services/infrastructure/metrics.js';
import { createCallerLimits } from './services/limits/callerLimits.js';
import { createLimitServices } from './services/limits/limitServices.js';
import { ServerInstanceKind } from './services/tiers/serverInstances.js';
import { createTierServices } from './services/tiers/tierServices.js';
import { createAlerts, watchAdmission } from './services/usage/alerts/alerts.js';

export interface DirectLimitsOptions {
  /** The billing server's own database. */
  mongodbUri: string;
  /** The parsed `CATALOG_FILE` of the billing server, whose overage counts as sold. Default: the built-in catalogue. */
  catalogue?: unknown;
  /** The same as the billing server's `GRACE_DAYS`. Default: 14. */
  graceDays?: number;
  /** The same as the billing server's `REDIS_URL`. With it, concurrent requests are counted over all instances. Default: none. */
  redisUrl?: string;
  /**
   * The same as the billing server's `JWT_ISSUER`, `JWT_AUDIENCE`, `JWT_JWKS_URL`, `JWT_TENANT_CLAIM`, `JWT_SCOPES_CLAIM`
   * and `JWT_CREATE_TENANTS`. Default: JWTs are not accepted.
   */
  jwtIssuer?: string;
  jwtAudience?: string;
  jwtJwksUrl?: string;
  jwtTenantClaim?: string;
  jwtScopesClaim?: string;
  jwtCreateTenants?: boolean;
  /** The page where a person upgrades. Limit errors contain it. */
  upgradeUrl: string;
  /** Default: warnings and errors to standard output. */
  log?: Logger;
}

const DEFAULT_GRACE_DAYS = 14;

/**
 * Decides operations directly on the billing server's database, like one more instance of the server, without HTTP.
 * @throws an Error that lists everything wrong with the catalogue or the options, or what tenants have and the catalogue
 *   lacks; or if the database does not answer within 30 s
 */
export async function directLimits(options: DirectLimitsOptions): Promise<Limits> {
  const { mongodbUri, graceDays = DEFAULT_GRACE_DAYS, redisUrl = null, upgradeUrl } = options;
  const log = options.log ?? pino({ level: 'warn' });
  const catalogue = parseCatalogue(options.catalogue ?? defaultCatalogue, { sampleDomain: false });
  const jwt = readJwtOptions(options);
  const connection = await connectDatabase(mongodbUri, log);
  const clock = await startAgreedClock(connection, log);
  const models = createModels(connection);
  const base = { models, clock, log };
  const tierServices = createTierServices({
    ...base,
    catalogue,
    priceIds: {},
    overagePriceIds: null,
    graceDays,
    instanceKind: ServerInstanceKind.DIRECT,
  });
  const { tiers, entitlements } = tierServices;
  const { authenticator, tenantDirectory, tenantTokens } = createAccounts({
    ...base,
    auditLog: createAuditLog({ models, clock }),
    adminApiKeys: [],
    jwt,
    keyKind: 'live',
    tiers,
    entitlements,
  });
  const alerts = createAlerts(base);
  const services = createLimitServices({
    ...base,
    metrics: noMetrics,
    authenticator,
    tenantDirectory,
    tierServices,
    redisUrl,
    upgradeUrl: () => upgradeUrl,
    watch: (admission) => watchAdmission(admission, alerts),
  });
  const disconnect = async () => {
    clock.stop();
    await connection.close();
  };
  try {
    await needMigrated(models);
    await tierServices.checkCatalogue();
    await tenantTokens.start();
  } catch (error) {
    await disconnect();
    throw error;
  }
  await services.start();
  return {
    features: new Set(catalogue.features),
    resources: new Set(catalogue.resources),
    take: createCallerLimits({ authenticator, tenantDirectory, limits: services.limits }),
    async free(tenantId, amounts) {
      checkAmounts(amounts, ['bytes', ...catalogue.resources]);
      await services.storage.freeExternal(tenantId, amounts);
    },
    async close() {
      tenantTokens.stop();
      await services.stop();
      await alerts.idle();
      await disconnect();
    },
  };
}

/** @throws an Error that lists everything wrong with the options */
function readJwtOptions(options: DirectLimitsOptions): JwtConfig | null {
  const settings: JwtSettings = {
    issuer: options.jwtIssuer,
    audience: options.jwtAudience,
    jwksUrl: options.jwtJwksUrl,
    tenantClaim: options.jwtTenantClaim,
    scopesClaim: options.jwtScopesClaim,
    createTenants: options.jwtCreateTenants,
  };
  const optionOf = (setting: string) => `jwt${setting[0]?.toUpperCase()}${setting.slice(1)}`;
  const errors: string[] = [];
  const jwt = readJwt(settings, optionOf, isProduction(), errors);
  if (errors.length > 0) throw new Error(errorList('directLimits has', errors));
  return jwt;
}

/** As the billing server's API does. @throws BAD_USER_INPUT */
function checkAmounts(amounts: Readonly<Record<string, number>>, resources: readonly string[]): void {
  for (const [resource, amount] of Object.entries(amounts)) {
    if (!resources.includes(resource)) throw badInput(resource, `is none of ${resources.join(', ')}`);
    if (!Number.isSafeInteger(amount) || amount < 0)
      throw badInput(resource, `must be a whole number from 0, not ${amount}`);
  }
}
