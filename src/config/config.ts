import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { errorList } from '@continuum-billing/limits/core';
import { z } from 'zod';
import defaultCatalogue from '../../catalogue.json' with { type: 'json' };
import { isNetwork } from '../common/addressRanges.js';
import { isLoopbackHost, parseTrustedProxies, type TrustedProxies } from '../common/network.js';
import { type Catalogue, parseCatalogue, type TierDefinition } from '../services/tiers/catalogue.js';

export interface StripeConfig {
  mode: 'mock' | 'live';
  secretKey: string | null;
  /** Any of them signs; in live mode there is at least one. */
  webhookSecrets: readonly string[];
  /** Stripe price id by tier name. */
  priceIds: Readonly<Record<string, string>>;
  /** Metered Stripe price of a tier's overage, by tier name; a tier without one sells none. */
  overagePriceIds: Readonly<Record<string, string>>;
  /** The billing portal's configuration at Stripe; null: the account's default. */
  portalConfiguration: string | null;
  /** Another server that speaks Stripe's API. */
  apiBase: URL | null;
}

export interface SubgraphConfig {
  /** A gateway sends one of them; none: there is no `POST /subgraph`. Two while they are rotated. */
  gatewaySecrets: readonly string[];
  /** Of the names of types, enums and inputs, e.g. `Billing`. Never empty. */
  typePrefix: string;
  /** Of the names of root fields; empty: they keep their names. */
  fieldPrefix: string;
}

export interface Config {
  production: boolean;
  /** 0: any free port. */
  port: number;
  host: string;
  /** How clients reach the server; null: as it listens. */
  publicUrl: string | null;
  /** null: the embedded mongod. */
  mongodbUri: string | null;
  dataDir: string;
  /** null: field limits in MongoDB, concurrent requests counted by each instance. */
  redisUrl: string | null;
  /** Operator keys; two while they are rotated. */
  adminApiKeys: readonly string[];
  stripe: StripeConfig;
  /** Mock mode where others reach it: anyone can buy any tier for nothing. */
  mockIsPublic: boolean;
  corsOrigins: string[];
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  subgraph: SubgraphConfig;
  /** Of one response to GraphQL. */
  maxResponseBytes: number;
  /** Apollo Sandbox on GET /graphql. */
  sandbox: boolean;
  /** Whether clients may read the schema, by introspection or by the suggestions in errors. */
  introspection: boolean;
  /** OpenAPI of the REST routes on GET /docs. */
  openApiDocs: boolean;
  /** Days for which a tenant whose payment failed keeps its tier. */
  graceDays: number;
  catalogue: Catalogue;
  /** Whose X-Forwarded-For is believed. */
  trustedProxies: TrustedProxies;
  /** Networks (CIDR) that outgoing webhooks may reach although they are not public. */
  webhookAllowedNetworks: readonly string[];
  /** Usage events that are kept of one tenant and day. */
  maxUsageEventsPerDay: number;
  /** Units of work that one operation may cost, as `@cost` and `@listSize` say. */
  maxOperationCost: number;
  connections: ConnectionConfig;
  shutdown: ShutdownConfig;
}

export interface ShutdownConfig {
  /** For so long a server that stops still serves, while load balancers find it not ready. */
  noticeMs: number;
  /** Then what still runs has so long to end. */
  drainMs: number;
}

export interface ConnectionConfig {
  max: number;
  /** For each IPv4 address or IPv6 /64; trusted proxies are exempt. */
  maxPerAddress: number;
  /** For a client to send one request. */
  requestTimeoutMs: number;
  /** For a client that neither sends nor reads. */
  stallTimeoutMs: number;
  /** Responses that all clients together have not read yet. */
  maxUnreadBytes: number;
}

/** Every fault of the configuration at once, one a line. */
export class ConfigError extends Error {
  constructor(readonly faults: string[]) {
    super(errorList('The configuration has', faults));
    this.name = 'ConfigError';
  }
}

const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' });
const flag = z
  .enum(['true', 'false', '1', '0'], { error: 'must be true or false' })
  .transform((v) => v === 'true' || v === '1');

/** One secret, or two with a comma between them while the old one is still in use. */
const rotatedSecrets = z
  .string()
  .transform((list) => list.split(',').map((secret) => secret.trim()))
  .refine(
    (secrets) => secrets.length <= 2 && secrets.every((secret) => /^[!-~]{32,200}$/.test(secret)),
    'must have 32 to 200 printable ASCII characters without spaces and commas (openssl rand -base64 32), ' +
      'or be two such with a comma between them while they are rotated',
  );

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname } = new URL(text);
  return /^rediss?:$/.test(protocol) && hostname !== '' && /^(\/\d*)?$/.test(pathname);
}

const networkList = z
  .string()
  .transform((list) => list.split(',').map((network) => network.trim()))
  .refine(
    (networks) => networks.every(isNetwork),
    'must be networks such as 127.0.0.0/8, ::1/128, with commas between',
  );
const wholeNumber = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.coerce.number({ error }).int(error).min(min, error).max(max, error);
};

/** Two underscores are kept for GraphQL and federation. */
const namePrefix = z
  .string()
  .regex(
    /^[A-Za-z][0-9A-Za-z]{0,39}_?$/,
    'must have 1 to 40 letters and digits, a letter first, and at most one _ at the end',
  );

const environment = z.object({
  NODE_ENV: z.string().default('development'),
  PORT: z.coerce.number({ error: 'must be a port number' }).int().min(0).max(65535).default(4000),
  HOST: z.string().optional(),
  PUBLIC_URL: httpUrl.transform((url) => url.replace(/\/+$/, '')).optional(),
  MONGODB_URI: z
    .string()
    .regex(/^mongodb(\+srv)?:\/\/\S+$/, 'must be a mongodb:// or mongodb+srv:// URI')
    .optional(),
  DATA_DIR: z.string().default('.data'),
  REDIS_URL: z
    .string()
    .refine(isRedisUrl, 'must be a redis:// or rediss:// URL, at most with the number of a database')
    .optional(),
  ADMIN_API_KEY: rotatedSecrets.optional(),
  GATEWAY_SECRET: rotatedSecrets.optional(),
  MAX_RESPONSE_BYTES: z.coerce
    .number({ error: 'must be a number of bytes' })
    .int()
    .min(65_536, 'must be at least 65536')
    .max(1_073_741_824, 'must be at most 1073741824')
    .default(10_485_760),
  SUBGRAPH_TYPE_PREFIX: namePrefix.default('Billing'),
  SUBGRAPH_FIELD_PREFIX: namePrefix.default(''),
  STRIPE_SECRET_KEY: z
    .string()
    .regex(/^(sk|rk)_\S+$/, 'must be a Stripe secret key (sk_… or rk_…)')
    .optional(),
  STRIPE_WEBHOOK_SECRET: z
    .string()
    .transform((list) => list.split(',').map((secret) => secret.trim()))
    .refine(
      (secrets) => secrets.length <= 2 && secrets.every((secret) => /^whsec_\S+$/.test(secret)),
      'must be a Stripe webhook secret (whsec_…), or two with a comma between while they are exchanged',
    )
    .optional(),
  STRIPE_PORTAL_CONFIGURATION: z
    .string()
    .regex(/^bpc_\S+$/, 'must be the id of a portal configuration (bpc_…)')
    .optional(),
  STRIPE_MOCK_MODE: flag.optional(),
  STRIPE_API_BASE: httpUrl.transform((url) => new URL(url)).optional(),
  CONTINUUM_CORS_ORIGINS: z.string().default(''),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  APOLLO_SANDBOX: flag.optional(),
  INTROSPECTION: flag.optional(),
  OPENAPI_DOCS: flag.optional(),
  GRACE_DAYS: z.coerce.number({ error: 'must be a number of days' }).int().min(0).max(365).default(14),
  CATALOG_FILE: z.string().optional(),
  TRUST_PROXY: z
    .string()
    .transform((text) => parseTrustedProxies(text.trim()))
    .refine(
      (proxies) => proxies !== undefined,
      'must be how many proxies are in front of the server (1 to 10), or their addresses and networks with commas ' +
        'between them (no prefix shorter than /7); true would believe what any client writes',
    )
    .optional(),
  WEBHOOK_ALLOWED_NETWORKS: networkList.default([]),
  MAX_USAGE_EVENTS_PER_DAY: z.coerce
    .number({ error: 'must be a number of events' })
    .int()
    .min(1)
    .max(1_000_000_000)
    .default(1_000_000),
  MAX_OPERATION_COST: z.coerce
    .number({ error: 'must be a number of units' })
    .int()
    .min(1_000, 'must be at least 1000: smaller operations are not worth bounding')
    .max(1_000_000_000)
    .default(250_000),
  MAX_CONNECTIONS: wholeNumber(1, 100_000).default(5_000),
  MAX_CONNECTIONS_PER_ADDRESS: wholeNumber(1, 100_000).default(2_000),
  REQUEST_TIMEOUT_SECONDS: wholeNumber(1, 600).default(30),
  STALL_TIMEOUT_SECONDS: wholeNumber(1, 600).default(30),
  MAX_UNREAD_RESPONSE_BYTES: wholeNumber(1_048_576, 17_179_869_184).default(134_217_728),
  SHUTDOWN_NOTICE_SECONDS: wholeNumber(0, 300).default(1),
  SHUTDOWN_DRAIN_SECONDS: wholeNumber(1, 300).default(12),
});

/**
 * Reads the configuration; the only reader of the environment.
 * @throws ConfigError that lists every fault
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  // An empty variable is an absent one: shells and compose files set them so.
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));
  const faults: string[] = [];
  const parsed = environment.safeParse(present);
  if (!parsed.success) {
    faults.push(...parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
  }
  // The other checks still run on what could be read, so that all faults are told at once.
  const vars = parsed.success ? parsed.data : lenient(present);
  const catalogue = readCatalogue(vars.CATALOG_FILE, faults);
  const production = vars.NODE_ENV === 'production';
  const stripe = readStripe(vars, present, production, catalogue, faults);
  const host = vars.HOST ?? (vars.MONGODB_URI ? '0.0.0.0' : '127.0.0.1');
  const mockIsPublic = stripe.mode === 'mock' && !isLoopbackHost(host);
  if (mockIsPublic && !present.STRIPE_MOCK_MODE) faults.push(needsMockMode(host));
  const corsOrigins = readOrigins(vars.CONTINUUM_CORS_ORIGINS, faults);
  if (faults.length > 0 || !catalogue) throw new ConfigError(faults);
  return {
    production,
    port: vars.PORT,
    host,
    publicUrl: vars.PUBLIC_URL ?? null,
    mongodbUri: vars.MONGODB_URI ?? null,
    dataDir: resolve(vars.DATA_DIR),
    redisUrl: vars.REDIS_URL ?? null,
    adminApiKeys: vars.ADMIN_API_KEY ?? [],
    stripe,
    mockIsPublic,
    corsOrigins,
    maxResponseBytes: vars.MAX_RESPONSE_BYTES,
    subgraph: {
      gatewaySecrets: vars.GATEWAY_SECRET ?? [],
      typePrefix: vars.SUBGRAPH_TYPE_PREFIX,
      fieldPrefix: vars.SUBGRAPH_FIELD_PREFIX,
    },
    logLevel: vars.LOG_LEVEL,
    sandbox: vars.APOLLO_SANDBOX ?? !production,
    introspection: vars.INTROSPECTION ?? !production,
    openApiDocs: vars.OPENAPI_DOCS ?? !production,
    graceDays: vars.GRACE_DAYS,
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
    shutdown: {
      noticeMs: vars.SHUTDOWN_NOTICE_SECONDS * 1000,
      drainMs: vars.SHUTDOWN_DRAIN_SECONDS * 1000,
    },
    catalogue,
  };
}

/** What `npm run stripe:setup` needs: prices and the webhook's secret are what it makes. */
export interface StripeSetupConfig {
  catalogue: Catalogue;
  publicUrl: string | null;
  stripe: Pick<StripeConfig, 'secretKey' | 'apiBase'>;
}

/** @throws ConfigError that lists every fault */
export function readStripeSetupConfig(env: NodeJS.ProcessEnv = process.env): StripeSetupConfig {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));
  const faults: string[] = [];
  const parsed = setupEnvironment.safeParse(present);
  if (!parsed.success)
    faults.push(...parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`));
  const catalogue = readCatalogue(present.CATALOG_FILE, faults);
  if (!parsed.success || !catalogue) throw new ConfigError(faults);
  const { STRIPE_SECRET_KEY: secretKey, STRIPE_API_BASE: apiBase, PUBLIC_URL: publicUrl } = parsed.data;
  return {
    catalogue,
    publicUrl: publicUrl ?? null,
    stripe: { secretKey, apiBase: apiBase ?? null },
  };
}

const setupEnvironment = environment.pick({ PUBLIC_URL: true, STRIPE_API_BASE: true }).extend({
  STRIPE_SECRET_KEY: z
    .string({ error: 'is missing' })
    .regex(/^(sk|rk)_\S+$/, 'must be a Stripe secret key (sk_… or rk_…)'),
});

type Environment = z.infer<typeof environment>;

const needsMockMode = (host: string) =>
  `STRIPE_MOCK_MODE: must be set to true to run without Stripe on ${host}, where everybody who reaches the server can ` +
  'buy any tier for nothing; for live mode set STRIPE_SECRET_KEY, to stay on this machine HOST=127.0.0.1';

/** What can be read of a faulty environment: each bad variable is left out. */
function lenient(present: Record<string, string | undefined>): Environment {
  const good = Object.entries(environment.shape).flatMap(([key, schema]) => {
    const result = schema.safeParse(present[key]);
    return result.success ? [[key, result.data]] : [[key, schema.safeParse(undefined).data]];
  });
  return Object.fromEntries(good) as Environment;
}

function readCatalogue(file: string | undefined, faults: string[]): Catalogue | null {
  try {
    return parseCatalogue(file ? JSON.parse(readFileSync(file, 'utf8')) : defaultCatalogue);
  } catch (error) {
    const lines = (error as Error).message.split('\n');
    faults.push(...lines.map((line) => `CATALOG_FILE (${file ?? 'catalogue.json'}): ${line}`));
    return null;
  }
}

function readStripe(
  vars: Environment,
  present: Record<string, string | undefined>,
  production: boolean,
  catalogue: Catalogue | null,
  faults: string[],
): StripeConfig {
  const mock = vars.STRIPE_MOCK_MODE ?? (!present.STRIPE_SECRET_KEY && !production);
  const tiers = catalogue?.tiers ?? [];
  const pricesOf = (sold: readonly TierDefinition[], suffix: string) =>
    Object.fromEntries(
      sold.flatMap(({ name }) => {
        const configured = present[`STRIPE_PRICE_${name}${suffix}`];
        if (configured) return [[name, configured]];
        return mock ? [[name, `price_${name}${suffix}`.toLowerCase()]] : [];
      }),
    );
  const priceIds = pricesOf(tiers, '');
  const overagePriceIds = pricesOf(
    tiers.filter(({ overage }) => overage),
    '_OVERAGE',
  );
  if (!mock) {
    if (!present.STRIPE_SECRET_KEY) {
      faults.push(
        production
          ? 'STRIPE_SECRET_KEY: is missing; set it, or STRIPE_MOCK_MODE=true to run without Stripe'
          : 'STRIPE_SECRET_KEY: is missing although STRIPE_MOCK_MODE=false',
      );
    }
    if (!present.STRIPE_WEBHOOK_SECRET) faults.push('STRIPE_WEBHOOK_SECRET: is missing; live mode needs it');
    for (const tier of tiers) {
      if (tier.checkout === 'SELF_SERVICE' && !priceIds[tier.name]) {
        faults.push(`STRIPE_PRICE_${tier.name}: is missing; live mode needs the price of ${tier.name}`);
      }
    }
  }
  const ids = [...Object.values(priceIds), ...Object.values(overagePriceIds)];
  if (new Set(ids).size !== ids.length) faults.push('STRIPE_PRICE_*: two have the same price id');
  for (const { name, former } of tiers) {
    // The tier's own may still be sold at the price that it had before.
    const others = new Set(ids.filter((id) => id !== priceIds[name]));
    const taken = former.flatMap(({ stripePriceIds }) => stripePriceIds).find((id) => others.has(id));
    if (taken)
      faults.push(`STRIPE_PRICE_*: one is ${taken}, which the catalogue has as a former price of ${name}`);
  }
  return {
    mode: mock ? 'mock' : 'live',
    secretKey: vars.STRIPE_SECRET_KEY ?? null,
    webhookSecrets: vars.STRIPE_WEBHOOK_SECRET ?? [],
    priceIds,
    overagePriceIds,
    portalConfiguration: vars.STRIPE_PORTAL_CONFIGURATION ?? null,
    apiBase: vars.STRIPE_API_BASE ?? null,
  };
}

function readOrigins(list: string, faults: string[]): string[] {
  const origins = list
    .split(',')
    .map((origin) => origin.trim())
    .filter(Boolean);
  for (const origin of origins) {
    if (origin !== '*' && !(URL.canParse(origin) && new URL(origin).origin === origin)) {
      faults.push(`CONTINUUM_CORS_ORIGINS: "${origin}" is not an origin such as https://app.example.com`);
    }
  }
  return origins;
}
