import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { errorList } from '@continuum-billing/limits/core';
import defaultCatalogue from '../../catalogue.json' with { type: 'json' };
import { type Catalogue, parseCatalogue, SAMPLE_FEATURES } from '../catalogue/catalogue.js';
import { isLoopbackHost, type TrustedProxies } from '../common/network.js';
import { type Brand, readBrand } from './brand.js';
import {
  catalogueEnvironment,
  databaseEnvironment,
  type Environment,
  linesOf,
  parseEnvironment,
  presentVariables,
  setupEnvironment,
} from './environment.js';
import { type JwtConfig, type JwtSettings, readJwt } from './jwtConfig.js';
import { readStripe, type StripeConfig, type TaxConfig } from './stripeConfig.js';

export interface SentryConfig {
  dsn: string;
  environment: string;
  /** The package and its version. */
  release: string;
}

export interface TracingConfig {
  /** The collector, e.g. `http://localhost:4318`. */
  endpoint: string;
  serviceName: string;
  version: string;
}

export interface SubgraphConfig {
  /** A gateway sends one of them; two during a rotation. Without any, `POST /subgraph` does not exist. */
  gatewaySecrets: readonly string[];
  /** Prefix of the names of types, enums and inputs, e.g. `Billing`. Never empty. */
  typePrefix: string;
  /** Prefix of the names of root fields; may be empty. */
  fieldPrefix: string;
}

export interface MetricsConfig {
  /** 0 for any free port; null for `/metrics` beside the API, where it needs an operator's key in production. */
  port: number | null;
}

export interface Config {
  /** Of this package. */
  version: string;
  production: boolean;
  /** 0 for any free port. */
  port: number;
  host: string;
  /** The URL by which clients reach the server; null for the address that it listens on. */
  publicUrl: string | null;
  /** null for the embedded mongod. */
  mongodbUri: string | null;
  dataDir: string;
  /** null if field limits are in MongoDB and each instance counts its own concurrent requests. */
  redisUrl: string | null;
  /** The operator's key; two during a rotation. */
  adminApiKeys: readonly string[];
  /** null if no JWTs are accepted. */
  jwt: JwtConfig | null;
  stripe: StripeConfig;
  /** Whether mock mode is reachable from other machines, where anyone can buy any tier for free. */
  mockIsPublic: boolean;
  corsOrigins: string[];
  /** null: nothing is measured. */
  metrics: MetricsConfig | null;
  /** The share of requests that are logged, 0 to 1. Those that failed with a 5xx always are. */
  accessLogSample: number;
  /** null: errors are only logged. */
  sentry: SentryConfig | null;
  /** null: nothing is traced. */
  tracing: TracingConfig | null;
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  subgraph: SubgraphConfig;
  /** Maximum size of one GraphQL response. */
  maxResponseBytes: number;
  /** Whether GET /graphql serves Apollo Sandbox. */
  sandbox: boolean;
  /** Whether clients may read the schema, through introspection or suggestions in errors. */
  introspection: boolean;
  /** Whether GET /docs serves the OpenAPI description of the REST routes. */
  openApiDocs: boolean;
  /** Days for which a tenant keeps its tier after a failed payment. */
  graceDays: number;
  /** Days after which entries of the audit log are deleted; null: never. */
  auditRetentionDays: number | null;
  catalogue: Catalogue;
  /** Whether the API has the sample domain: memories, embeddings, semantic search and sharing. */
  sampleDomain: boolean;
  brand: Brand;
  /** Where a person upgrades; null for this server's price page. */
  upgradeUrl: string | null;
  /** The proxies whose X-Forwarded-For is trusted. */
  trustedProxies: TrustedProxies;
  /** Private networks (CIDR) that outgoing webhooks may reach. */
  webhookAllowedNetworks: readonly string[];
  /** Maximum number of stored usage events per tenant and day. */
  maxUsageEventsPerDay: number;
  /** Maximum cost of one operation, in the units of `@cost` and `@listSize`. */
  maxOperationCost: number;
  connections: ConnectionConfig;
  live: LiveConfig;
  shutdown: ShutdownConfig;
}

export interface ShutdownConfig {
  /** How long a stopping server still serves requests, until load balancers see that it is not ready. */
  noticeMs: number;
  /** How long requests that are still running may take to end after that. */
  drainMs: number;
}

export interface ConnectionConfig {
  max: number;
  /** Per IPv4 address or IPv6 /64; trusted proxies are exempt. */
  maxPerAddress: number;
  /** Maximum time for a client to send one request. */
  requestTimeoutMs: number;
  /** Maximum time in which a client neither sends nor reads. */
  stallTimeoutMs: number;
  /** Maximum total size of responses that clients have not read yet. */
  maxUnreadBytes: number;
}

/** The most that clients of live updates may have open. */
export interface LiveConfig {
  /** Connections in all. An event stream is a connection with one stream. */
  connections: number;
  /** Connections from one IPv4 address or IPv6 /64. */
  connectionsPerAddress: number;
  /** Connections with the credentials of one tenant. All operators count as one. */
  connectionsPerTenant: number;
  /** Streams in all. */
  streams: number;
  /** Streams with the credentials of one tenant. */
  streamsPerTenant: number;
}

/** The package reads its own description, which is beside the sources and beside what is built from them. */
export const { version: VERSION } = createRequire(import.meta.url)('continuum-billing/package.json') as {
  version: string;
};

/** All errors of the configuration at once, one per line. */
export class ConfigError extends Error {
  constructor(readonly errors: string[]) {
    super(errorList('The configuration has', errors));
    this.name = 'ConfigError';
  }
}

/** For what runs in a team's own server, which has its own configuration. */
export const isProduction = (env: NodeJS.ProcessEnv = process.env): boolean => env.NODE_ENV === 'production';

/**
 * Reads the configuration. Nothing else reads the environment.
 * @throws ConfigError that lists all errors
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const { catalogue, errors, ...config } = inspectConfig(env);
  if (errors.length > 0 || !catalogue) throw new ConfigError(errors);
  return { ...config, catalogue };
}

/** The configuration as far as it can be read, with defaults for the rest, and all its errors. */
export type InspectedConfig = Omit<Config, 'catalogue'> & { catalogue: Catalogue | null; errors: string[] };

/** Reads a configuration that may be wrong, for `continuum-billing doctor`. */
export function inspectConfig(env: NodeJS.ProcessEnv = process.env): InspectedConfig {
  const present = presentVariables(env);
  const errors: string[] = [];
  const vars = parseEnvironment(present, errors);
  const catalogue = readCatalogue(vars.CATALOG_FILE, vars.SAMPLE_DOMAIN, errors);
  const brand = readBrand(vars.BRAND_FILE ?? null, errors);
  const production = vars.NODE_ENV === 'production';
  const stripe = readStripe(vars, present, production, catalogue, errors);
  const host = vars.HOST ?? (vars.MONGODB_URI ? '0.0.0.0' : '127.0.0.1');
  const mockIsPublic = stripe.mode === 'mock' && !isLoopbackHost(host);
  if (mockIsPublic && !present.STRIPE_MOCK_MODE) errors.push(needsMockMode(host));
  if (vars.METRICS_PORT && vars.METRICS_PORT === vars.PORT)
    errors.push('METRICS_PORT: must be another port than PORT; leave it out to serve /metrics there');
  const corsOrigins = readOrigins(vars.CONTINUUM_CORS_ORIGINS, errors);
  const jwt = readJwt(jwtSettingsOf(vars), (setting) => JWT_VARIABLES[setting], production, errors);
  return {
    errors,
    version: VERSION,
    production,
    port: vars.PORT,
    host,
    publicUrl: vars.PUBLIC_URL ?? null,
    sampleDomain: vars.SAMPLE_DOMAIN,
    brand,
    upgradeUrl: vars.UPGRADE_URL ?? null,
    mongodbUri: vars.MONGODB_URI ?? null,
    dataDir: resolve(vars.DATA_DIR),
    redisUrl: vars.REDIS_URL ?? null,
    adminApiKeys: vars.ADMIN_API_KEY ?? [],
    jwt,
    stripe,
    mockIsPublic,
    corsOrigins,
    maxResponseBytes: vars.MAX_RESPONSE_BYTES,
    subgraph: {
      gatewaySecrets: vars.GATEWAY_SECRET ?? [],
      typePrefix: vars.SUBGRAPH_TYPE_PREFIX,
      fieldPrefix: vars.SUBGRAPH_FIELD_PREFIX,
    },
    metrics: vars.METRICS ? { port: vars.METRICS_PORT ?? null } : null,
    sentry: vars.SENTRY_DSN
      ? {
          dsn: vars.SENTRY_DSN,
          environment: vars.SENTRY_ENVIRONMENT ?? vars.NODE_ENV,
          release: `continuum-billing@${VERSION}`,
        }
      : null,
    tracing: vars.OTEL_EXPORTER_OTLP_ENDPOINT
      ? { endpoint: vars.OTEL_EXPORTER_OTLP_ENDPOINT, serviceName: vars.OTEL_SERVICE_NAME, version: VERSION }
      : null,
    logLevel: vars.LOG_LEVEL,
    accessLogSample: vars.ACCESS_LOG_SAMPLE,
    sandbox: vars.APOLLO_SANDBOX ?? !production,
    introspection: vars.INTROSPECTION ?? !production,
    openApiDocs: vars.OPENAPI_DOCS ?? !production,
    graceDays: vars.GRACE_DAYS,
    auditRetentionDays: vars.AUDIT_RETENTION_DAYS ?? null,
    trustedProxies: vars.TRUST_PROXY ?? null,
    webhookAllowedNetworks: vars.WEBHOOK_ALLOWED_NETWORKS,
    maxUsageEventsPerDay: vars.MAX_USAGE_EVENTS_PER_DAY,
    maxOperationCost: vars.MAX_OPERATION_COST,
    connections: {
      max: vars.MAX_CONNECTIONS,
      maxPerAddress: vars.MAX_CONNECTIONS_PER_ADDRESS,
      requestTimeoutMs: vars.REQUEST_TIMEOUT_SECONDS * 1000,
      stallTimeoutMs: vars.STALL_TIMEOUT_SECONDS * 1000,
      maxUnreadBytes: vars.MAX_UNREAD_RESPONSE_BYTES,
    },
    live: liveConfigOf(vars),
    shutdown: {
      noticeMs: vars.SHUTDOWN_NOTICE_SECONDS * 1000,
      drainMs: vars.SHUTDOWN_DRAIN_SECONDS * 1000,
    },
    catalogue,
  };
}

/** The configuration of `continuum-billing stripe setup`, which itself creates prices and the webhook's secret. */
export interface StripeSetupConfig {
  catalogue: Catalogue;
  /** null: products that exist keep their names. */
  brand: Brand | null;
  publicUrl: string | null;
  stripe: Pick<StripeConfig, 'secretKey' | 'apiBase'>;
  /** Of prices that are created; null: as the account's tax settings say. */
  taxBehavior: TaxConfig['behavior'];
}

/** @throws ConfigError that lists all errors */
export function readStripeSetupConfig(env: NodeJS.ProcessEnv = process.env): StripeSetupConfig {
  const present = presentVariables(env);
  const errors: string[] = [];
  const parsed = setupEnvironment.safeParse(present);
  if (!parsed.success) errors.push(...linesOf(parsed.error));
  const catalogue = readCatalogue(present.CATALOG_FILE, parsed.data?.SAMPLE_DOMAIN ?? true, errors);
  const brand = present.BRAND_FILE ? readBrand(present.BRAND_FILE, errors) : null;
  if (!parsed.success || !catalogue || errors.length > 0) throw new ConfigError(errors);
  const { STRIPE_SECRET_KEY: secretKey, STRIPE_API_BASE: apiBase, PUBLIC_URL: publicUrl } = parsed.data;
  return {
    catalogue,
    brand,
    publicUrl: publicUrl ?? null,
    stripe: { secretKey, apiBase: apiBase ?? null },
    taxBehavior: parsed.data.STRIPE_TAX_BEHAVIOR ?? null,
  };
}

/**
 * The catalogue, for commands that need little else.
 * @throws ConfigError that lists all errors
 */
export function readCatalogueConfig(
  env: NodeJS.ProcessEnv = process.env,
): Pick<Config, 'catalogue' | 'sampleDomain'> {
  const present = presentVariables(env);
  const errors: string[] = [];
  const parsed = catalogueEnvironment.safeParse(present);
  if (!parsed.success) errors.push(...linesOf(parsed.error));
  const sampleDomain = parsed.data?.SAMPLE_DOMAIN ?? true;
  const catalogue = readCatalogue(present.CATALOG_FILE, sampleDomain, errors);
  if (!catalogue || errors.length > 0) throw new ConfigError(errors);
  return { catalogue, sampleDomain };
}

const JWT_VARIABLES = {
  issuer: 'JWT_ISSUER',
  audience: 'JWT_AUDIENCE',
  jwksUrl: 'JWT_JWKS_URL',
  tenantClaim: 'JWT_TENANT_CLAIM',
  scopesClaim: 'JWT_SCOPES_CLAIM',
  createTenants: 'JWT_CREATE_TENANTS',
} as const satisfies Record<keyof JwtSettings, keyof Environment>;

function jwtSettingsOf(vars: Environment): JwtSettings {
  const settings = Object.entries(JWT_VARIABLES).map(([setting, name]) => [setting, vars[name]]);
  return Object.fromEntries(settings) as JwtSettings;
}

/**
 * Where the database is, for scripts that need nothing else.
 * @throws ConfigError that lists all errors
 */
export function readDatabaseConfig(
  env: NodeJS.ProcessEnv = process.env,
): Pick<Config, 'mongodbUri' | 'dataDir'> {
  const parsed = databaseEnvironment.safeParse(presentVariables(env));
  if (!parsed.success) throw new ConfigError(linesOf(parsed.error));
  return { mongodbUri: parsed.data.MONGODB_URI ?? null, dataDir: resolve(parsed.data.DATA_DIR) };
}

/** The part of all connections that live updates may use, so that there is room for requests. */
const LIVE_SHARE = 0.8;
/** Streams for each connection, on average. */
const STREAMS_EACH = 2.5;

function liveConfigOf(vars: Environment): LiveConfig {
  const connections = Math.min(vars.MAX_LIVE_CONNECTIONS, Math.floor(vars.MAX_CONNECTIONS * LIVE_SHARE));
  const connectionsPerTenant = vars.MAX_LIVE_CONNECTIONS_PER_TENANT;
  return {
    connections,
    connectionsPerAddress: Math.ceil(vars.MAX_CONNECTIONS_PER_ADDRESS * LIVE_SHARE),
    connectionsPerTenant,
    streams: Math.ceil(connections * STREAMS_EACH),
    streamsPerTenant: Math.ceil(connectionsPerTenant * STREAMS_EACH),
  };
}

const needsMockMode = (host: string) =>
  `STRIPE_MOCK_MODE: must be true to run without Stripe on ${host}, because anyone who reaches the server can then buy ` +
  'any tier for free. Otherwise set STRIPE_SECRET_KEY for live mode, or HOST=127.0.0.1 to stay on this machine';

function readCatalogue(file: string | undefined, sampleDomain: boolean, errors: string[]): Catalogue | null {
  try {
    const json = file ? JSON.parse(readFileSync(file, 'utf8')) : defaultCatalogue;
    const catalogue = parseCatalogue(json, { sampleDomain });
    const missing = SAMPLE_FEATURES.filter((feature) => !catalogue.features.includes(feature));
    if (!sampleDomain || missing.length === 0) return catalogue;
    throw new Error(
      `features: lacks ${missing.join(', ')}, which the sample domain of memories requires; ` +
        'with SAMPLE_DOMAIN=false it is left out',
    );
  } catch (error) {
    const lines = (error as Error).message.split('\n');
    errors.push(...lines.map((line) => `CATALOG_FILE (${file ?? 'catalogue.json'}): ${line}`));
    return null;
  }
}

function readOrigins(list: string, errors: string[]): string[] {
  const origins = list
    .split(',')
    .map((origin) => origin.trim())
    .filter(Boolean);
  for (const origin of origins) {
    if (origin !== '*' && !(URL.canParse(origin) && new URL(origin).origin === origin)) {
      errors.push(`CONTINUUM_CORS_ORIGINS: "${origin}" is not an origin such as https://app.example.com`);
    }
  }
  return origins;
}
