/** The REST routes as OpenAPI shows them; the same schemas validate the requests. */

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
  401: { description: 'UNAUTHENTICATED: no key, or a bad one', ...error },
  403: { description: 'FORBIDDEN: the key may not do this', ...error },
  502: { description: 'PAYMENT_PROVIDER_ERROR: Stripe refused or is away', ...error },
  503: { description: 'SERVICE_UNAVAILABLE: the database is away; see Retry-After', ...error },
};

const billing = { tags: ['Billing'], security: [{ apiKey: [] }, { bearer: [] }] };
/** Stripe's placeholder `{CHECKOUT_SESSION_ID}` may stand in it, which the format `uri` would refuse. */
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
      description: 'Only with the status past_due: until when the tier is kept',
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
          description: 'Mock mode: the page here that stands in for it',
        },
      },
    },
    ...failures,
  },
});

export const getSubscription = {
  ...billing,
  summary: 'What the tenant bought',
  response: { 200: subscription, ...failures },
};

export const cancelSubscription = {
  ...billing,
  summary: 'Cancel at the end of the period, or at once',
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
