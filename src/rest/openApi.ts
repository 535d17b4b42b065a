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
    grace_ends_at: {
      type: 'string',
      format: 'date-time',
      description: 'Only with the status past_due: when the tenant loses the tier',
    },
  },
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

const time = { type: 'string', format: 'date-time' };

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
      from: { ...time, description: 'The earliest time' },
      to: { ...time, description: 'The end of the time range, not included' },
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
  tags: [{ name: 'Billing' }, { name: 'Audit log' }, { name: 'Health' }],
  components: {
    securitySchemes: {
      apiKey: { type: 'apiKey' as const, in: 'header' as const, name: 'x-api-key' },
      bearer: { type: 'http' as const, scheme: 'bearer' },
    },
  },
};
