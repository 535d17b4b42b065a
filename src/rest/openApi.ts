import {
  ALL_SCOPES,
  MAX_COST,
  MAX_ENDPOINT_LENGTH,
  MAX_NAME_LENGTH,
  MAX_OPERATIONS,
  MAX_PARTS,
  MAX_RECEIPT_LENGTH,
} from '@continuum-billing/limits/core';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { SWAGGER_POLICY } from './securityHeaders.js';

// The OpenAPI descriptions of the REST routes. Their schemas also validate the requests.

/** Serves the description of routes that are added later, at `GET /docs`. */
export async function serveOpenApi(server: FastifyInstance): Promise<void> {
  await server.register(swagger, { openapi: DOCUMENT });
  await server.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: SWAGGER_POLICY,
    // Otherwise the page would send the description to Swagger's validator on the internet.
    uiConfig: { validatorUrl: null },
  });
}

const error = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      additionalProperties: true,
      properties: { code: { type: 'string' }, message: { type: 'string' } },
      required: ['code', 'message'],
    },
  },
};

const failures = {
  400: { description: 'BAD_USER_INPUT: the message names the argument', ...error },
  401: { description: 'UNAUTHENTICATED: the key is missing or not valid', ...error },
  403: { description: 'FORBIDDEN: the key may not do this', ...error },
  502: { description: 'PAYMENT_PROVIDER_ERROR: Stripe rejected the request or is unavailable', ...error },
  503: { description: 'SERVICE_UNAVAILABLE: the database is unavailable; see Retry-After', ...error },
};

const billing = { tags: ['Billing'], security: [{ apiKey: [] }, { bearer: [] }] };
/** A URL may contain Stripe's placeholder `{CHECKOUT_SESSION_ID}`, which the format `uri` would reject. */
const url = { type: 'string', pattern: '^https?://[^\\s/?#@]+([/?#]\\S*)?$', maxLength: 2048 };

const subscription = {
  type: 'object',
  properties: {
    tenant_id: { type: 'string' },
    tier: { type: 'string' },
    status: { type: 'string' },
    current_period_end: { type: 'string', format: 'date-time', nullable: true },
    cancel_at_period_end: { type: 'boolean' },
    seats: {
      type: 'integer',
      description: 'Only for a tier that is sold by the seat',
    },
    payment_pause: {
      type: 'object',
      description: 'Only while payments are paused: when they resume by themselves, or null',
      properties: { resumes_at: { type: 'string', format: 'date-time', nullable: true } },
    },
    grace_ends_at: {
      type: 'string',
      format: 'date-time',
      description: 'Only with the status past_due: when the tenant loses the tier',
    },
  },
};

const seats = { type: 'integer', minimum: 1, maximum: 100_000 };
const count = { type: 'integer', nullable: true, description: 'null: unlimited' };
const instant = { type: 'string', format: 'date-time' };

const price = {
  type: 'object',
  properties: {
    id: { type: 'string', description: 'For instance `pro_yearly_usd`' },
    interval: { type: 'string', enum: ['month', 'year'] },
    interval_count: { type: 'integer' },
    currency: { type: 'string' },
    unit_amount: { type: 'integer', description: 'In the smallest unit of the currency' },
    per_seat: { type: 'boolean' },
    per: { type: 'string', description: 'For people: `a month`, `per seat every 3 months`' },
  },
};

const tier = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    display_name: { type: 'string' },
    description: { type: 'string' },
    version: { type: 'integer' },
    monthly_price_cents: {
      type: 'integer',
      nullable: true,
      description: 'null: it is priced by contract, or has no monthly price',
    },
    currency: { type: 'string' },
    prices: { type: 'array', items: price },
    checkout: { type: 'string', enum: ['none', 'self_service', 'contact_sales'] },
    trial_days: { type: 'integer' },
    features: { type: 'array', items: { type: 'string' } },
    limits: { type: 'object', additionalProperties: count },
    stored: {
      type: 'object',
      additionalProperties: count,
      description: 'Of the other resources in the catalogue',
    },
    limits_per_seat: { type: 'array', items: { type: 'string' } },
  },
};

export const getTiers = {
  tags: ['Billing'],
  summary: 'Get the tiers with their prices and limits',
  description: 'No key is needed.',
  response: { 200: { type: 'object', properties: { tiers: { type: 'array', items: tier } } } },
};

export const getEntitlements = {
  ...billing,
  summary: 'Get what the tenant may do and has',
  description: 'Features, limits, what is stored, and settings, each with what it follows from.',
  response: {
    200: {
      type: 'object',
      properties: {
        entitlements: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              name: { type: 'string' },
              display_name: { type: 'string' },
              kind: { type: 'string', enum: ['feature', 'limit', 'stored', 'setting'] },
              limit: { ...count, description: 'null: unlimited, or not a number' },
              used: { ...count, description: 'null: it is not counted' },
              remaining: { ...count, description: 'null: unlimited, or not counted' },
              window: { type: 'string', nullable: true, enum: ['minute', 'day', 'month', null] },
              resets_at: { ...instant, nullable: true },
              value: {
                nullable: true,
                description: 'Only of a setting: a number, a string or a boolean',
              },
              source: { type: 'string', enum: ['tier', 'tier_version', 'override'] },
            },
          },
        },
      },
    },
    ...failures,
  },
};

export const previewSeats = {
  ...billing,
  summary: 'Preview what another number of seats costs or brings',
  // What is in a query is text, and nothing is coerced.
  querystring: {
    type: 'object',
    required: ['seats'],
    additionalProperties: false,
    properties: { seats: { type: 'string', pattern: '^[0-9]{1,6}$', description: 'From 1 to 100000' } },
  },
  response: {
    200: {
      type: 'object',
      properties: {
        tier: { type: 'string' },
        seats: { type: 'integer' },
        immediately: { type: 'boolean' },
        effective_at: instant,
        currency: { type: 'string' },
        amount_due_now_cents: { type: 'integer' },
        proration_cents: { type: 'integer', description: 'Below 0: a credit for the next invoices' },
        next_invoice_cents: { type: 'integer', nullable: true },
        next_invoice_at: { ...instant, nullable: true },
      },
    },
    ...failures,
  },
};

export const setSeats = {
  ...billing,
  summary: 'Change how many seats are paid for, at once',
  description: 'Never below what is in use: the error then has `seatsNeeded`.',
  body: { type: 'object', required: ['seats'], additionalProperties: false, properties: { seats } },
  response: { 200: subscription, ...failures },
};

export const createCheckoutSession = (tierNames: string[]) => ({
  ...billing,
  summary: 'Begin the purchase of a tier',
  body: {
    type: 'object',
    required: ['tier', 'success_url', 'cancel_url'],
    additionalProperties: false,
    properties: {
      tier: { type: 'string', enum: tierNames },
      success_url: url,
      cancel_url: url,
      customer_email: { type: 'string', nullable: true, format: 'email', maxLength: 320 },
      interval: { type: 'string', nullable: true, enum: ['month', 'year', null] },
      interval_count: { type: 'integer', nullable: true, minimum: 1, maximum: 36 },
      currency: { type: 'string', nullable: true, minLength: 3, maxLength: 3 },
      seats: { type: 'integer', nullable: true, minimum: 1, maximum: 100_000 },
    },
  },
  response: {
    200: {
      type: 'object',
      properties: {
        session_id: { type: 'string' },
        url: { type: 'string' },
        local_url: {
          type: 'string',
          nullable: true,
          description: "In mock mode, this server's page in place of Stripe's",
        },
      },
    },
    ...failures,
  },
});

export const getSubscription = {
  ...billing,
  summary: 'Get the subscription of the tenant',
  response: { 200: subscription, ...failures },
};

export const cancelSubscription = {
  ...billing,
  summary: 'Cancel at the end of the period, or immediately',
  body: {
    type: 'object',
    nullable: true,
    additionalProperties: false,
    properties: { at_period_end: { type: 'boolean', default: true } },
  },
  response: { 200: subscription, ...failures },
};

export const reportUsage = {
  ...billing,
  summary: "Report metered usage to Stripe's meter",
  body: {
    type: 'object',
    required: ['quantity'],
    additionalProperties: false,
    properties: {
      quantity: { type: 'integer', minimum: 1, maximum: 1_000_000_000 },
      idempotency_key: { type: 'string', pattern: '^[\\w:.-]{1,60}$' },
    },
  },
  response: {
    200: {
      type: 'object',
      properties: {
        status: {
          type: 'string',
          enum: ['success', 'pending'],
          description: '`pending`: stored, and sent to Stripe in the background; do not report it again.',
        },
        quantity: { type: 'integer' },
        tenant_id: { type: 'string' },
      },
    },
    ...failures,
  },
};

const decisions = { tags: ['Decisions'], security: [{ apiKey: [] }, { bearer: [] }] };
const { 502: _, ...failuresOfDecisions } = {
  ...failures,
  413: { description: 'PAYLOAD_TOO_LARGE', ...error },
  429: { description: 'RATE_LIMITED: too many requests of the key are under way', ...error },
};
const name = { type: 'string', maxLength: MAX_NAME_LENGTH };
const list = (items: object) => ({ type: 'array', maxItems: MAX_PARTS, items });
const optionalText = { type: 'string', nullable: true };
const texts = { type: 'object', additionalProperties: { type: 'string' } };
const input = (properties: Record<string, object>, optional: readonly string[] = []) => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(properties).filter((property) => !optional.includes(property)),
  properties,
});
const operations = (items: object) =>
  input({ operations: { type: 'array', minItems: 1, maxItems: MAX_OPERATIONS, items } });
const charges = list(
  input(
    {
      endpoint: { type: 'string', minLength: 1, maxLength: MAX_ENDPOINT_LENGTH },
      cost: { type: 'integer', minimum: 1, maximum: MAX_COST, default: 1 },
    },
    ['cost'],
  ),
);

export const getDecisionNames = {
  ...decisions,
  summary: 'Get the names that operations may use',
  description: 'Also shows whether the key may decide.',
  response: {
    200: {
      type: 'object',
      properties: {
        features: { type: 'array', items: { type: 'string' } },
        resources: { type: 'array', items: { type: 'string' } },
        upgradeUrl: { type: 'string' },
      },
    },
    ...failuresOfDecisions,
  },
};

export const decide = {
  ...decisions,
  summary: `Decide up to ${MAX_OPERATIONS} operations of other services`,
  description:
    'The mutation `decideOperations` without GraphQL, for a key with the scope ENFORCE. Each operation is decided by itself, in one atomic step; a rejected one is not an error. The decisions are in the order of the operations.',
  body: operations(
    input(
      {
        apiKey: { ...optionalText, description: 'This, `tenantId` or `externalId` is required' },
        tenantId: optionalText,
        externalId: optionalText,
        address: optionalText,
        scope: { type: 'string', enum: ALL_SCOPES },
        charges,
        features: list(name),
        fieldLimits: list(
          input({ field: name, max: { type: 'integer', minimum: 1, maximum: 10_000 }, window: name }),
        ),
        stores: list(
          input({
            rootField: name,
            amounts: list(input({ resource: name, amount: { type: 'integer', minimum: 0 } })),
          }),
        ),
      },
      ['apiKey', 'tenantId', 'externalId', 'address'],
    ),
  ),
  response: {
    200: {
      type: 'object',
      properties: {
        decisions: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              allowed: { type: 'boolean' },
              error: {
                type: 'object',
                nullable: true,
                properties: {
                  code: { type: 'string' },
                  message: { type: 'string' },
                  details: { type: 'object', additionalProperties: true },
                  headers: texts,
                },
              },
              tenantId: optionalText,
              tier: optionalText,
              concurrentRequests: { type: 'integer', nullable: true },
              chargedAt: { ...instant, nullable: true },
              holds: {
                type: 'array',
                items: {
                  type: 'object',
                  properties: { rootField: { type: 'string' }, id: { type: 'string' } },
                },
              },
              receipt: { ...optionalText, description: 'For `POST /v1/decisions/end`, within 15 minutes' },
              headers: texts,
            },
          },
        },
      },
    },
    ...failuresOfDecisions,
  },
};

export const endDecisions = {
  ...decisions,
  summary: `Return what up to ${MAX_OPERATIONS} operations did not use`,
  description:
    'The mutation `endOperations` without GraphQL. Each receipt works once, so that repeating the request changes nothing. If a receipt is not valid, or more is returned than it covers, nothing of the request is done.',
  body: operations(
    input({
      receipt: { type: 'string', maxLength: MAX_RECEIPT_LENGTH },
      unearned: charges,
      keptHolds: list(name),
      releasedHolds: list(name),
    }),
  ),
  response: {
    200: { type: 'object', properties: { ended: { type: 'boolean' } } },
    ...failuresOfDecisions,
  },
};

export const exportAuditLog = {
  tags: ['Audit log'],
  security: [{ apiKey: [] }, { bearer: [] }],
  summary: 'Export the audit log of a tenant, or of the operators',
  description:
    "Oldest first. A tenant's key needs the scope KEYS and exports its own tenant; an operator's key exports the tenant that it names, or else the operators' own log.",
  produces: ['application/jsonl', 'text/csv'],
  querystring: {
    type: 'object',
    additionalProperties: false,
    properties: {
      tenantId: { type: 'string', minLength: 1, maxLength: 100 },
      externalId: { type: 'string', minLength: 1, maxLength: 200, description: 'Your own id of the tenant' },
      format: { type: 'string', enum: ['jsonl', 'csv'], default: 'jsonl' },
      action: {
        type: 'string',
        minLength: 1,
        maxLength: 60,
        description: 'Only this action, e.g. key.revoked',
      },
      from: { ...instant, description: 'The earliest time' },
      to: { ...instant, description: 'The end of the time range, not included' },
    },
  },
  response: {
    200: { description: 'One entry a line', type: 'string' },
    429: { description: 'RATE_LIMITED: another export of the caller is running', ...error },
    ...failures,
  },
};

const DOCUMENT = {
  info: {
    title: 'Continuum Billing',
    description: 'The REST routes. The whole API is GraphQL, at `POST /graphql`.',
    version: '1',
  },
  tags: [{ name: 'Billing' }, { name: 'Audit log' }, { name: 'Decisions' }, { name: 'Health' }],
  components: {
    securitySchemes: {
      apiKey: { type: 'apiKey' as const, in: 'header' as const, name: 'x-api-key' },
      bearer: { type: 'http' as const, scheme: 'bearer' },
    },
  },
};
