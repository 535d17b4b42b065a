import type { Environment } from './environment.js';

export interface VariableDescription {
  /** What holds without the variable, and when it is required. Only where the schema has no default that says it. */
  without?: string;
  /** In Markdown. Links are relative to docs/. */
  meaning: string;
}

/** What docs/reference/configuration.md says about each variable, in its order. */
export const DESCRIPTIONS: Record<keyof Environment, VariableDescription> = {
  PORT: { meaning: '0 to 65535; 0 takes a free port' },
  HOST: {
    without: '`127.0.0.1` with the embedded MongoDB, `0.0.0.0` with `MONGODB_URI`',
    meaning: 'the address to listen on',
  },
  PUBLIC_URL: {
    without: 'where it listens',
    meaning: 'an http(s) URL: how clients reach the server; used in upgrade and mock checkout URLs',
  },
  MONGODB_URI: { without: 'none: embedded MongoDB', meaning: '`mongodb://` or `mongodb+srv://`' },
  DATA_DIR: { meaning: 'directory of the embedded MongoDB' },
  REDIS_URL: { meaning: '`redis://` or `rediss://`, optionally with user, password and database number' },
  ADMIN_API_KEY: {
    meaning: `the operator's key: 32 to 200 printable ASCII characters without spaces and commas (\`openssl rand -base64 32\`); two, separated by a comma, while it is [rotated](keys.md#replace-a-key)`,
  },
  GATEWAY_SECRET: {
    without: 'none: there is no `/subgraph`',
    meaning:
      'same format, two while it is rotated; gateways send it as `x-gateway-secret` ([federation](federation.md))',
  },
  JWT_ISSUER: {
    without: 'none: JWTs are not accepted',
    meaning: 'the `iss` of tokens of your identity provider ([JWTs](users.md)); needs the next three',
  },
  JWT_AUDIENCE: {
    without: 'required with `JWT_ISSUER`',
    meaning: 'the `aud` that they have; several separated by commas, any of which is enough',
  },
  JWT_JWKS_URL: {
    without: 'required with `JWT_ISSUER`',
    meaning:
      'where the provider publishes its keys; https in production, except on this machine; redirects are not followed',
  },
  JWT_TENANT_CLAIM: {
    without: 'required with `JWT_ISSUER`',
    meaning: `the claim that has the tenant's external id: a name such as \`sub\` or \`https://app.example/tenant\`, or a path such as \`app_metadata.tenant\``,
  },
  JWT_SCOPES_CLAIM: {
    without: 'none: tokens can only read',
    meaning: 'the claim that has the scopes: a text with spaces between them, or an array',
  },
  JWT_CREATE_TENANTS: {
    without: '`false`',
    meaning: '`true false 1 0`: whether a token of an unknown tenant creates it',
  },
  MAX_RESPONSE_BYTES: { meaning: '65536 to 1073741824: the maximum JSON of one GraphQL response' },
  SUBGRAPH_TYPE_PREFIX: {
    meaning: `prefix of the subgraph's types: 1 to 40 letters and digits, a letter first, at most one \`_\` at the end`,
  },
  SUBGRAPH_FIELD_PREFIX: { without: 'none', meaning: "prefix of the subgraph's root fields, same format" },
  NODE_ENV: { meaning: '`production`: mock mode, Sandbox, introspection and `/docs` are off unless enabled' },
  STRIPE_SECRET_KEY: {
    without: 'none: mock mode; required in live mode, as in production unless `STRIPE_MOCK_MODE` is `true`',
    meaning: '`sk_…` or `rk_…`; turns on live mode',
  },
  STRIPE_MOCK_MODE: {
    without: '`true` without a secret key outside production, else `false`',
    meaning:
      '`true false 1 0`; `true` overrides a secret key, and is required for mock mode on a `HOST` other than loopback',
  },
  STRIPE_WEBHOOK_SECRET: {
    without: 'none; required in live mode',
    meaning:
      '`whsec_…`, or two, separated by a comma, while they are exchanged; in mock mode one is generated and kept in MongoDB',
  },
  STRIPE_PORTAL_CONFIGURATION: {
    without: "the account's default",
    meaning: '`bpc_…`: what the billing portal offers; `npx continuum-billing stripe setup` creates one',
  },
  STRIPE_API_BASE: {
    meaning: "an http(s) URL of another server that speaks Stripe's API, for live mode; its path is ignored",
  },
  STRIPE_REQUESTS_PER_SECOND: {
    meaning:
      "Stripe's limit for one endpoint, of which all instances together use 94 %. Another one only if Stripe has agreed to it",
  },
  STRIPE_AUTOMATIC_TAX: {
    meaning: '`true false 1 0`: whether Stripe Tax computes the [tax](tax.md) of subscriptions that begin',
  },
  STRIPE_TAX_BEHAVIOR: {
    without: "as the account's tax settings say",
    meaning:
      '`exclusive` or `inclusive`: of prices by contract, and of those that `npx continuum-billing stripe setup` creates',
  },
  STRIPE_TAX_ID_COLLECTION: {
    meaning: '`true false 1 0`: whether a checkout asks businesses for their tax id',
  },
  STRIPE_BILLING_ADDRESS_COLLECTION: { meaning: '`required`: a checkout always asks for the whole address' },
  STRIPE_INVOICE_DESCRIPTION: {
    meaning: 'the memo of invoices, at most 1500 characters; `\\n` begins a new line',
  },
  STRIPE_INVOICE_FOOTER: {
    meaning: 'the footer of invoices, at most 5000 characters; `\\n` begins a new line',
  },
  STRIPE_INVOICE_CUSTOM_FIELDS: {
    meaning:
      'JSON such as `[{"name": "VAT ID", "value": "IE6388047V"}]`: at most 4 fields on invoices, names of at most 40 characters, values of at most 140',
  },
  STRIPE_MOCK_TAX_PERCENT: {
    meaning: '0 to 99.9999: what automatic tax charges in mock mode, wherever a customer is',
  },
  CONTINUUM_CORS_ORIGINS: { without: 'none', meaning: 'origins separated by commas, or `*`' },
  CATALOG_FILE: {
    without: 'the built-in `catalogue.json`',
    meaning: 'a JSON file with tiers, prices, limits and features; validated',
  },
  SAMPLE_DOMAIN: {
    meaning:
      '`false` removes the [sample domain](sample-domain.md#without-the-sample-domain): memories, embeddings, search and sharing',
  },
  BRAND_FILE: {
    without: "Continuum's own name and colour",
    meaning:
      "a JSON file with the [product's name, logo, colour and support](customers.md#your-brand); validated",
  },
  UPGRADE_URL: {
    without: '`/upgrade` of this server',
    meaning:
      'an http(s) URL: [where people upgrade](customers.md#where-people-upgrade) in your product. Rejections and the price page lead there',
  },
  AUDIT_RETENTION_DAYS: {
    without: 'none: forever',
    meaning: '30 to 36500: days after which entries of the [audit log](audit-log.md) are deleted',
  },
  GRACE_DAYS: { meaning: '0 to 365: how long a tenant whose payment failed keeps its tier' },
  TRUST_PROXY: {
    meaning:
      'how many proxies are in front of the server, 1 to 10, or (better) their addresses and networks separated by commas, including `loopback`, `linklocal` and `uniquelocal`; see [proxies](running.md#behind-a-proxy)',
  },
  MAX_OPERATION_COST: {
    meaning:
      '1000 to 1000000000 units of work, according to `@cost` and `@listSize`: operations that cost more are [rejected](limits.md#the-cost-of-the-work) before they run. One unit takes a few microseconds and about 50 bytes of a response',
  },
  MAX_USAGE_EVENTS_PER_DAY: {
    meaning:
      '1 to 1000000000: usage events that `recordUsage` keeps per tenant and day ([bounds](bounds.md))',
  },
  APOLLO_SANDBOX: {
    without: 'on; off in production',
    meaning: '`true false 1 0`: Apollo Sandbox on `GET /graphql`',
  },
  INTROSPECTION: {
    without: 'on; off in production',
    meaning:
      '`true false 1 0`: whether clients can read the schema; when it is off, errors suggest no names either',
  },
  OPENAPI_DOCS: {
    without: 'on; off in production',
    meaning: '`true false 1 0`: OpenAPI of the REST routes on `GET /docs`',
  },
  WEBHOOK_ALLOWED_NETWORKS: {
    without: 'none; `npm run dev`: `127.0.0.0/8,::1/128`',
    meaning:
      'networks in CIDR notation separated by commas: outgoing webhooks may reach them although they are not public, also without TLS',
  },
  MAX_CONNECTIONS: { meaning: '1 to 100000: further connections are closed' },
  MAX_CONNECTIONS_PER_ADDRESS: {
    meaning: '1 to 100000 for each IPv4 address or IPv6 /64; proxies named by `TRUST_PROXY` are exempt',
  },
  MAX_LIVE_CONNECTIONS: {
    meaning:
      '0 to 100000, at most 80 % of `MAX_CONNECTIONS`: connections for [live updates](realtime.md#bounds); 0 turns them off',
  },
  MAX_LIVE_CONNECTIONS_PER_TENANT: { meaning: '1 to 100000 with the credentials of one tenant' },
  REQUEST_TIMEOUT_SECONDS: {
    meaning: '1 to 600: time for one request to arrive, headers and body; its headers have at most 10 s',
  },
  STALL_TIMEOUT_SECONDS: {
    meaning:
      '1 to 600: a connection on which the client neither sends nor reads is closed after this time, at most twice as long',
  },
  MAX_UNREAD_RESPONSE_BYTES: {
    meaning:
      '1048576 to 17179869184: responses that all clients together have not read yet, see [connections](running.md#connections)',
  },
  SHUTDOWN_NOTICE_SECONDS: {
    meaning:
      '0 to 300: how long a stopping server still accepts requests, see [start and stop](running.md#start-stop-readiness)',
  },
  METRICS: { meaning: '`true false 1 0`: whether [metrics](metrics.md) are counted and served' },
  METRICS_PORT: {
    without: 'none: `/metrics` on `PORT`',
    meaning: '0 to 65535, other than `PORT`: a port for metrics alone, without a key; 0 takes a free one',
  },
  SHUTDOWN_DRAIN_SECONDS: { meaning: '1 to 300: how long the server then waits for running requests' },
  ACCESS_LOG_SAMPLE: { meaning: '0 to 1: the share of requests that are [logged](logs.md#logs)' },
  SENTRY_DSN: {
    meaning:
      '`https://<key>@<host>/<project>`: unexpected errors are [sent to Sentry](logs.md#errors-in-sentry)',
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    meaning: 'an http(s) URL such as `http://localhost:4318`: requests are [traced](logs.md#traces)',
  },
  OTEL_SERVICE_NAME: { meaning: 'the name of the service in traces' },
  SENTRY_ENVIRONMENT: { without: '`NODE_ENV`', meaning: 'the environment that Sentry shows' },
  LOG_LEVEL: { meaning: '`fatal error warn info debug trace silent`' },
};

/** Variables whose names depend on the catalogue. */
export const PRICE_DESCRIPTIONS: Record<string, VariableDescription> = {
  '`STRIPE_PRICE_FREE`, `_PRO`, `_ENTERPRISE`, one for each tier of the catalogue': {
    without: 'mock: `price_free`, …',
    meaning: 'Stripe price ids, all different; live mode requires those of tiers sold by checkout (PRO)',
  },
  '`STRIPE_PRICE_PRO_YEARLY`, `_3_MONTHS`, `_2_YEARS`, one for each further interval of a tier': {
    without: 'mock: `price_pro_yearly`, …',
    meaning: 'Stripe price ids; live mode requires those of tiers sold by checkout',
  },
  '`STRIPE_PRICE_PRO_OVERAGE`, one for each tier that sells overage': {
    without: 'mock: `price_pro_overage`; live: none, and no overage is sold',
    meaning: 'the id of a metered Stripe price',
  },
};
