import { z } from 'zod';
import { isNetwork } from '../common/addressRanges.js';
import { parseTrustedProxies } from '../common/network.js';

const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' });
const flag = z
  .enum(['true', 'false', '1', '0'], { error: 'must be true or false' })
  .transform((v) => v === 'true' || v === '1');

/** One secret, or two separated by a comma while the old one is being replaced. */
const rotatedSecrets = z
  .string()
  .transform((list) => list.split(',').map((secret) => secret.trim()))
  .refine(
    (secrets) => secrets.length <= 2 && secrets.every((secret) => /^[!-~]{32,200}$/.test(secret)),
    'must have 32 to 200 printable ASCII characters without spaces and commas (openssl rand -base64 32); ' +
      'during a rotation, two of them separated by a comma',
  );

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname } = new URL(text);
  return /^rediss?:$/.test(protocol) && hostname !== '' && /^(\/\d*)?$/.test(pathname);
}

function isSentryDsn(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, pathname } = new URL(text);
  return /^https?:$/.test(protocol) && username !== '' && /\/\d+$/.test(pathname);
}

const networkList = z
  .string()
  .transform((list) => list.split(',').map((network) => network.trim()))
  .refine(
    (networks) => networks.every(isNetwork),
    'must be networks such as 127.0.0.0/8,::1/128, separated by commas',
  );
const wholeNumber = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.coerce.number({ error }).int(error).min(min, error).max(max, error);
};

/** Stripe's bound of a text on invoices. Lines in it may be written as `\\n`, because many shells and files allow no others. */
const invoiceText = (maxChars: number) =>
  z
    .string()
    .transform((text) => text.trim().replaceAll('\\n', '\n'))
    .pipe(z.string().max(maxChars, `must have at most ${maxChars} characters`));

const fieldText = (what: string, maxChars: number) => {
  const error = `${what} must have 1 to ${maxChars} characters`;
  return z.string(error).trim().min(1, error).max(maxChars, error);
};
/** Stripe's bounds of the fields on an invoice. */
const MAX_CUSTOM_FIELDS = 4;
const customFields = z
  .array(
    z.strictObject(
      { name: fieldText('a name', 40), value: fieldText('a value', 140) },
      'must be objects with a name and a value, and nothing else',
    ),
    'must be a JSON array such as [{"name": "VAT ID", "value": "IE6388047V"}]',
  )
  .max(MAX_CUSTOM_FIELDS, `must be at most ${MAX_CUSTOM_FIELDS} fields`);

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** GraphQL and federation reserve names with two underscores. */
const namePrefix = z
  .string()
  .regex(
    /^[A-Za-z][0-9A-Za-z]{0,39}_?$/,
    'must have 1 to 40 letters and digits, begin with a letter, and may end with one _',
  );

/** All variables that the server reads, with their rules and defaults. */
export const environment = z.object({
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
    .refine(isRedisUrl, 'must be a redis:// or rediss:// URL, optionally with a database number')
    .optional(),
  ADMIN_API_KEY: rotatedSecrets.optional(),
  GATEWAY_SECRET: rotatedSecrets.optional(),
  JWT_ISSUER: z.string().optional(),
  JWT_AUDIENCE: z.string().optional(),
  JWT_JWKS_URL: z.string().optional(),
  JWT_TENANT_CLAIM: z.string().optional(),
  JWT_SCOPES_CLAIM: z.string().optional(),
  JWT_CREATE_TENANTS: flag.optional(),
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
      'must be a Stripe webhook secret (whsec_…); during a rotation, two separated by a comma',
    )
    .optional(),
  STRIPE_PORTAL_CONFIGURATION: z
    .string()
    .regex(/^bpc_\S+$/, 'must be the id of a portal configuration (bpc_…)')
    .optional(),
  STRIPE_MOCK_MODE: flag.optional(),
  STRIPE_API_BASE: httpUrl.transform((url) => new URL(url)).optional(),
  STRIPE_REQUESTS_PER_SECOND: wholeNumber(1, 10_000).default(25),
  STRIPE_AUTOMATIC_TAX: flag.default(false),
  STRIPE_TAX_BEHAVIOR: z
    .enum(['exclusive', 'inclusive'], { error: 'must be exclusive or inclusive' })
    .optional(),
  STRIPE_TAX_ID_COLLECTION: flag.default(false),
  STRIPE_BILLING_ADDRESS_COLLECTION: z
    .enum(['auto', 'required'], { error: 'must be auto or required' })
    .default('auto'),
  STRIPE_INVOICE_DESCRIPTION: invoiceText(1_500).optional(),
  STRIPE_INVOICE_FOOTER: invoiceText(5_000).optional(),
  STRIPE_INVOICE_CUSTOM_FIELDS: z.string().transform(parsedJson).pipe(customFields).optional(),
  STRIPE_MOCK_TAX_PERCENT: z
    .string()
    .regex(/^\d{1,2}(\.\d{1,4})?$/, 'must be a percentage from 0 to 99.9999')
    .default('10'),
  CONTINUUM_CORS_ORIGINS: z.string().default(''),
  METRICS: flag.default(true),
  METRICS_PORT: z.coerce.number({ error: 'must be a port number' }).int().min(0).max(65535).optional(),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  ACCESS_LOG_SAMPLE: z.coerce
    .number({ error: 'must be a number from 0 to 1' })
    .min(0, 'must be a number from 0 to 1')
    .max(1, 'must be a number from 0 to 1')
    .default(1),
  SENTRY_DSN: z
    .string()
    .refine(isSentryDsn, 'must be a DSN of Sentry: https://<key>@<host>/<project>')
    .optional(),
  SENTRY_ENVIRONMENT: z.string().max(64).optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl.transform((url) => url.replace(/\/+$/, '')).optional(),
  OTEL_SERVICE_NAME: z.string().max(200).default('continuum-billing'),
  APOLLO_SANDBOX: flag.optional(),
  INTROSPECTION: flag.optional(),
  OPENAPI_DOCS: flag.optional(),
  GRACE_DAYS: z.coerce.number({ error: 'must be a number of days' }).int().min(0).max(365).default(14),
  AUDIT_RETENTION_DAYS: wholeNumber(30, 36_500).optional(),
  CATALOG_FILE: z.string().optional(),
  BRAND_FILE: z.string().optional(),
  SAMPLE_DOMAIN: flag.default(true),
  UPGRADE_URL: httpUrl
    .refine((url) => !/^https?:\/\/[^/?#]*@/i.test(url), 'must not contain a password')
    .optional(),
  TRUST_PROXY: z
    .string()
    .transform((text) => parseTrustedProxies(text.trim()))
    .refine(
      (proxies) => proxies !== undefined,
      'must be the number of proxies in front of the server (1 to 10), or their addresses and networks separated by ' +
        'commas (no prefix shorter than /7); true is not possible, because any client could then forge its address',
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
    .min(1_000, 'must be at least 1000; even small operations cost that much')
    .max(1_000_000_000)
    .default(250_000),
  MAX_CONNECTIONS: wholeNumber(1, 100_000).default(5_000),
  MAX_CONNECTIONS_PER_ADDRESS: wholeNumber(1, 100_000).default(2_000),
  MAX_LIVE_CONNECTIONS: wholeNumber(0, 100_000).default(4_000),
  MAX_LIVE_CONNECTIONS_PER_TENANT: wholeNumber(1, 100_000).default(1_500),
  REQUEST_TIMEOUT_SECONDS: wholeNumber(1, 600).default(30),
  STALL_TIMEOUT_SECONDS: wholeNumber(1, 600).default(30),
  MAX_UNREAD_RESPONSE_BYTES: wholeNumber(1_048_576, 17_179_869_184).default(134_217_728),
  SHUTDOWN_NOTICE_SECONDS: wholeNumber(0, 300).default(1),
  SHUTDOWN_DRAIN_SECONDS: wholeNumber(1, 300).default(12),
});

/** The variables that say where the database is. */
export const databaseEnvironment = environment.pick({ MONGODB_URI: true, DATA_DIR: true });

/** The variables, but for the file itself, on which the catalogue depends. */
export const catalogueEnvironment = environment.pick({ SAMPLE_DOMAIN: true });

/** The variables that `continuum-billing stripe setup` reads. */
export const setupEnvironment = environment
  .pick({ PUBLIC_URL: true, STRIPE_API_BASE: true, SAMPLE_DOMAIN: true, STRIPE_TAX_BEHAVIOR: true })
  .extend({
    STRIPE_SECRET_KEY: z
      .string({ error: 'is missing' })
      .regex(/^(sk|rk)_\S+$/, 'must be a Stripe secret key (sk_… or rk_…)'),
  });

export type Variables = Readonly<Record<string, string | undefined>>;

export type Environment = z.infer<typeof environment>;

/** The variables that are set. An empty one counts as absent, because shells and compose files set them that way. */
export const presentVariables = (env: NodeJS.ProcessEnv): Variables =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));

/**
 * Parses the variables.
 * @param errors gets one line for each invalid variable
 * @returns the valid ones and defaults for the others, so that later checks can report their errors at the same time
 */
export function parseEnvironment(present: Variables, errors: string[]): Environment {
  const parsed = environment.safeParse(present);
  if (parsed.success) return parsed.data;
  errors.push(...linesOf(parsed.error));
  return validVariables(present);
}

export const linesOf = ({ issues }: z.ZodError): string[] =>
  issues.map(({ path, message }) => `${path.join('.')}: ${message}`);

/** Parses each variable by itself and leaves the invalid ones out. */
function validVariables(present: Variables): Environment {
  const good = Object.entries(environment.shape).flatMap(([key, schema]) => {
    const result = schema.safeParse(present[key]);
    return result.success ? [[key, result.data]] : [[key, schema.safeParse(undefined).data]];
  });
  return Object.fromEntries(good) as Environment;
}
