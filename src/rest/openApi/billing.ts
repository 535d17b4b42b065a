import { MAX_COST } from '@continuum-billing/limits/core';
import { ErrorCode } from '../../common/errors.js';
import { BODY_ERRORS, ERRORS, KEYS } from './common.js';
import { input, instant, listOf, object, optionalText, ref, text } from './types.js';

// The routes under /v1/billing. These schemas also validate the requests.

type Errors = readonly ErrorCode[];

/** Which tenant a request is about. */
const TENANT = {
  tenant_id: {
    ...optionalText,
    minLength: 1,
    maxLength: 100,
    description: 'With the key of an operator or a service, this or `external_id` is required',
  },
  external_id: {
    ...optionalText,
    minLength: 1,
    maxLength: 200,
    description: 'Your own id of the tenant, instead of `tenant_id`',
  },
};
const TENANT_NAMES = Object.keys(TENANT);
/** A query has text alone, so nothing in it is null. */
const inQuery = (properties: Record<string, object>) =>
  Object.fromEntries(
    Object.entries(properties).map(([name, { nullable: _, ...schema }]: [string, { nullable?: boolean }]) => [
      name,
      schema,
    ]),
  );

const OF_TENANT = [...ERRORS, ErrorCode.NOT_FOUND, ErrorCode.RATE_LIMITED];
const LIMITED = [...OF_TENANT, ErrorCode.TENANT_SUSPENDED];
const AT_STRIPE = [...LIMITED, ErrorCode.PAYMENT_PROVIDER_ERROR];

const reads = (
  tag: string,
  errors: Errors,
  properties: Record<string, object> = {},
  optional: string[] = [],
) => ({
  tags: [tag],
  security: KEYS,
  'x-errors': errors,
  querystring: input(inQuery({ ...properties, ...TENANT }), [...optional, ...TENANT_NAMES]),
});

const writes = (
  tag: string,
  errors: Errors,
  properties: Record<string, object>,
  optional: string[] = [],
) => ({
  tags: [tag],
  security: KEYS,
  'x-errors': [...errors, ...BODY_ERRORS],
  body: input({ ...properties, ...TENANT }, [...optional, ...TENANT_NAMES]),
});

/** A URL may contain Stripe's placeholder `{CHECKOUT_SESSION_ID}`, which the format `uri` would reject. */
const url = { type: 'string', pattern: '^https?://[^\\s/?#@]+([/?#]\\S*)?$', maxLength: 2048 };
const seats = { type: 'integer', minimum: 1, maximum: 100_000 };
const email = { type: 'string', nullable: true, format: 'email', maxLength: 320 };
const PRICE = {
  interval: { type: 'string', nullable: true, enum: ['month', 'year', null] },
  interval_count: { type: 'integer', nullable: true, minimum: 1, maximum: 36 },
  seats: { ...seats, nullable: true },
};
const PRICE_NAMES = Object.keys(PRICE);
const inQueryPrice = { ...PRICE, interval: { type: 'string', enum: ['month', 'year'] } };

export const getTiers = {
  tags: ['Subscription'],
  security: [],
  'x-errors': [ErrorCode.INTERNAL_SERVER_ERROR],
  operationId: 'getTiers',
  summary: 'Get the tiers with their prices and limits',
  description: 'No key is needed.',
  response: { 200: object({ tiers: listOf('Tier') }) },
};

export const getEntitlements = {
  ...reads('Usage', OF_TENANT),
  operationId: 'getEntitlements',
  summary: 'Get what the tenant may do and has',
  description: 'Features, limits, what is stored, and settings, each with what it follows from.',
  response: { 200: object({ entitlements: listOf('Entitlement') }) },
};

export const previewSeats = {
  ...reads('Subscription', AT_STRIPE, { seats }),
  operationId: 'previewSeats',
  summary: 'Preview what another number of seats costs or brings',
  response: { 200: ref('TierChangePreview') },
};

export const setSeats = {
  ...writes('Subscription', AT_STRIPE, { seats }),
  operationId: 'setSeats',
  summary: 'Change how many seats are paid for, at once',
  description: 'Never below what is in use: the error then has `seats_needed`.',
  response: { 200: ref('Subscription') },
};

/** The routes that name a tier, by the names of the tiers. */
export const ofTiers = (tierNames: string[]) => {
  const tier = { type: 'string', enum: tierNames };
  return {
    createCheckoutSession: {
      ...writes(
        'Subscription',
        AT_STRIPE,
        {
          tier,
          success_url: url,
          cancel_url: url,
          customer_email: email,
          ...PRICE,
          currency: { type: 'string', nullable: true, minLength: 3, maxLength: 3 },
        },
        ['customer_email', 'currency', ...PRICE_NAMES],
      ),
      operationId: 'createCheckoutSession',
      summary: 'Begin the purchase of a tier',
      response: { 200: ref('CheckoutSession') },
    },
    previewTierChange: {
      ...reads('Subscription', AT_STRIPE, { tier, immediately: { type: 'boolean' }, ...inQueryPrice }, [
        'immediately',
        ...PRICE_NAMES,
      ]),
      operationId: 'previewTierChange',
      summary: 'Preview when a change of tier takes effect, and what it costs',
      response: { 200: ref('TierChangePreview') },
    },
    changeTier: {
      ...writes(
        'Subscription',
        AT_STRIPE,
        {
          tier,
          immediately: {
            type: 'boolean',
            nullable: true,
            description: 'Downgrade now, with a credit, instead of at the end of the period. Default: false',
          },
          ...PRICE,
        },
        ['immediately', ...PRICE_NAMES],
      ),
      operationId: 'changeTier',
      summary: 'Change the tier of a paying tenant',
      description:
        'Upgrades immediately. Downgrades at the end of the period. The free tier cancels the subscription; the current tier undoes a scheduled change.',
      response: { 200: ref('Subscription') },
    },
    listTenants: {
      tags: ['Tenants'],
      security: KEYS,
      'x-errors': [...ERRORS, ErrorCode.RATE_LIMITED],
      operationId: 'listTenants',
      summary: 'List tenants, oldest first',
      description:
        'For operators. Pass `next_cursor` as `cursor` for the next page, until it is null. With filters a page may have fewer tenants than `limit`, or none, although there is a next one.',
      querystring: input(
        {
          limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
          cursor: { type: 'string', maxLength: 200 },
          search: {
            type: 'string',
            maxLength: 100,
            description: 'The beginning of a name, an e-mail address or an external id; or a whole id',
          },
          tier,
        },
        ['limit', 'cursor', 'search', 'tier'],
      ),
      response: { 200: object({ tenants: listOf('Tenant'), next_cursor: optionalText }) },
    },
  };
};

export const createPortalSession = {
  ...writes('Subscription', AT_STRIPE, { return_url: url }),
  operationId: 'createPortalSession',
  summary: 'Open the page where a person changes, cancels or resumes the subscription',
  response: { 200: ref('PortalSession') },
};

export const getSubscription = {
  ...reads('Subscription', OF_TENANT),
  operationId: 'getSubscription',
  summary: 'Get the subscription of the tenant',
  response: { 200: ref('Subscription') },
};

const cancel = writes('Subscription', AT_STRIPE, { at_period_end: { type: 'boolean', default: true } }, [
  'at_period_end',
]);

export const cancelSubscription = {
  ...cancel,
  body: { ...cancel.body, nullable: true },
  operationId: 'cancelSubscription',
  summary: 'Cancel at the end of the period, or immediately',
  response: { 200: ref('Subscription') },
};

const resume = writes('Subscription', AT_STRIPE, {});

export const resumeSubscription = {
  ...resume,
  body: { ...resume.body, nullable: true },
  operationId: 'resumeSubscription',
  summary: 'Undo a scheduled cancellation or change of tier',
  response: { 200: ref('Subscription') },
};

export const reportUsage = {
  ...writes(
    'Usage',
    AT_STRIPE,
    {
      quantity: { type: 'integer', minimum: 1, maximum: 1_000_000_000 },
      idempotency_key: { type: 'string', pattern: '^[\\w:.-]{1,60}$' },
    },
    ['idempotency_key'],
  ),
  operationId: 'reportUsage',
  summary: "Report metered usage to Stripe's meter",
  response: { 200: ref('UsageReport') },
};

export const getUsage = {
  ...reads(
    'Usage',
    OF_TENANT,
    { period: { type: 'string', enum: ['minute', 'day', 'month'], default: 'day' } },
    ['period'],
  ),
  operationId: 'getUsage',
  summary: 'Get what the tenant has used in the current minute, day or month',
  response: { 200: ref('Usage') },
};

export const getUsageHistory = {
  ...reads(
    'Usage',
    [...OF_TENANT, ErrorCode.RESPONSE_TOO_LARGE],
    {
      from: instant,
      to: { ...instant, description: 'Not included' },
      granularity: { type: 'string', enum: ['hour', 'day', 'month'], default: 'day' },
    },
    ['granularity'],
  ),
  operationId: 'getUsageHistory',
  summary: 'Get what the tenant has used by hour, day or month',
  description: 'Oldest first, for at most 400 days, in UTC, without the future.',
  response: { 200: object({ usage: listOf('Usage') }) },
};

const RATE_LIMIT_HEADERS = Object.fromEntries(
  [
    ['X-RateLimit-Limit-Minute', 'integer'],
    ['X-RateLimit-Remaining-Minute', 'integer'],
    ['X-RateLimit-Limit-Day', 'integer'],
    ['X-RateLimit-Remaining-Day', 'integer'],
    ['X-RateLimit-Reset', 'integer'],
    ['X-Tier', 'string'],
    ['RateLimit-Policy', 'string'],
    ['RateLimit', 'string'],
  ].map(([name, type]) => [name, { schema: { type } }]),
);

export const consume = {
  ...writes(
    'Usage',
    [...OF_TENANT, ErrorCode.TENANT_SUSPENDED],
    {
      endpoint: {
        type: 'string',
        minLength: 1,
        maxLength: 100,
        description: 'The name that the calls are counted under',
      },
      cost: { type: 'integer', minimum: 1, maximum: MAX_COST, default: 1, description: 'Number of calls' },
      idempotency_key: {
        ...optionalText,
        pattern: '^[\\x21-\\x7e]{1,100}$',
        description:
          'The same request with the same key within 24 hours gets the first response, and is not charged',
      },
    },
    ['cost', 'idempotency_key'],
  ),
  operationId: 'consume',
  summary: 'Charge calls in one atomic step, if the limits allow them',
  description:
    'For a key with the scope USAGE, or a service with ENFORCE. A reached limit is not an error: `allowed` is false, and the response has `Retry-After`.',
  'x-headers': RATE_LIMIT_HEADERS,
  response: { 200: ref('ConsumeResult') },
};

export const recordUsage = {
  ...writes('Usage', OF_TENANT, {
    // The service rejects a bad event by itself, where a validated schema would reject the whole request.
    events: { type: 'array', minItems: 1, maxItems: 1_000, items: { 'x-described-as': 'UsageEvent' } },
  }),
  operationId: 'recordUsage',
  summary: 'Record usage that has already happened, each event exactly once',
  description:
    'Limits do not reject events, and every event counts on its day. The results are in the order of the events. After an error, send the same events again.',
  response: { 200: object({ results: listOf('UsageEventResult') }) },
};

export const getTenant = {
  ...reads('Tenants', OF_TENANT),
  operationId: 'getTenant',
  summary: 'Get the tenant of the key, or the one that an operator names',
  response: { 200: ref('Tenant') },
};

export const createTenant = {
  tags: ['Tenants'],
  security: KEYS,
  'x-errors': [...ERRORS, ...BODY_ERRORS, ErrorCode.RATE_LIMITED],
  operationId: 'createTenant',
  summary: 'Create a tenant and its first key',
  description:
    'For operators. A tenant that has the external id already is returned unchanged, without a key, so the request may be repeated.',
  body: input(
    {
      name: { type: 'string', minLength: 1, maxLength: 200 },
      email,
      external_id: {
        ...optionalText,
        minLength: 1,
        maxLength: 200,
        description: 'Your own id of the tenant',
      },
    },
    ['email', 'external_id'],
  ),
  response: { 200: ref('NewTenant') },
};

export const receiveWebhook = {
  tags: ['Webhook'],
  security: [],
  'x-errors': [
    ErrorCode.BAD_USER_INPUT,
    ErrorCode.PAYLOAD_TOO_LARGE,
    ErrorCode.INTERNAL_SERVER_ERROR,
    ErrorCode.SERVICE_UNAVAILABLE,
  ],
  operationId: 'receiveWebhook',
  summary: 'Receive an event from Stripe',
  description:
    'Takes the raw body with the header `Stripe-Signature`. The response is sent once the event is on disk; the event is applied afterwards.',
  response: { 200: object({ status: { type: 'string', enum: ['success'] }, message: text }) },
};

export const exportTenant = {
  tags: ['Tenants'],
  security: [],
  'x-errors': [
    ErrorCode.BAD_USER_INPUT,
    ErrorCode.NOT_FOUND,
    ErrorCode.INTERNAL_SERVER_ERROR,
    ErrorCode.SERVICE_UNAVAILABLE,
  ],
  operationId: 'downloadTenantExport',
  summary: 'Download the archive of a tenant',
  description:
    'The link is the answer of the mutation `exportTenant`. The archive has one JSON object a line; the last line has the number of records and the SHA-256 of all lines before it.',
  params: { type: 'object', properties: { token: text } },
  produces: ['application/x-ndjson'],
  response: { 200: { description: 'The archive', type: 'string' } },
};

const STATE = object({ status: { type: 'string', enum: ['ok'] } });

export const getLiveness = {
  tags: ['Health'],
  security: [],
  operationId: 'getLiveness',
  summary: 'The process answers',
  response: { 200: STATE },
};

export const getReadiness = {
  tags: ['Health'],
  security: [],
  operationId: 'getReadiness',
  summary: 'The server can serve',
  response: {
    200: STATE,
    503: {
      description: 'It is stopping, or the database is unavailable',
      ...object({ status: { type: 'string', enum: ['unavailable'] }, reason: text }),
    },
  },
};
