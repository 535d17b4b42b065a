import { ErrorCode } from '../../common/errors.js';
import { count, instant, text } from './types.js';

// The errors of the REST routes as OpenAPI describes them.

interface DescribedError {
  status: number;
  description: string;
  /** What an error with the code has beside its code and its message. */
  details?: Record<string, object>;
  example: { message: string } & Record<string, unknown>;
}

const upgrade = { tier: text, upgrade_url: text };
const asked = {
  argument: { ...text, description: 'The field of the request, as it was sent' },
  problem: text,
};

const ERRORS: Partial<Record<ErrorCode, DescribedError>> = {
  [ErrorCode.BAD_USER_INPUT]: {
    status: 400,
    description: '`argument` is the field of the request that is wrong, `problem` says what is wrong with it',
    details: asked,
    example: { message: 'tier: is not for sale', argument: 'tier', problem: 'is not for sale' },
  },
  [ErrorCode.OPERATION_TOO_EXPENSIVE]: {
    status: 400,
    description: 'the request has more operations than the server allows at once',
    details: { cost: count, limit: count, field: text },
    example: {
      message: 'The operation is too expensive.',
      cost: 50_000,
      limit: 10_000,
      field: 'Mutation.decideOperations',
    },
  },
  [ErrorCode.RESPONSE_TOO_LARGE]: {
    status: 400,
    description: 'ask for less at a time',
    details: { limit: count },
    example: { message: 'The response would have more than 10485760 bytes', limit: 10_485_760 },
  },
  [ErrorCode.UNAUTHENTICATED]: {
    status: 401,
    description: 'the key is missing or not valid',
    example: {
      message: 'An API key is needed: send it as the header x-api-key, or Authorization: Bearer <key>',
    },
  },
  [ErrorCode.FORBIDDEN]: {
    status: 403,
    description: 'the key may not do this',
    example: { message: 'This key lacks the scope BILLING; create one that has it' },
  },
  [ErrorCode.TENANT_SUSPENDED]: {
    status: 403,
    description: 'the operator has suspended the tenant',
    details: { suspended_at: instant },
    example: {
      message: 'This tenant has been suspended since 2026-11-20T08:00:00.000Z',
      suspended_at: '2026-11-20T08:00:00.000Z',
    },
  },
  [ErrorCode.NOT_FOUND]: {
    status: 404,
    description: 'there is no such tenant',
    example: { message: 'The tenant with the external_id acme does not exist' },
  },
  [ErrorCode.PAYLOAD_TOO_LARGE]: {
    status: 413,
    description: 'the body is too large',
    details: { limit: count, requested: count },
    example: {
      message: 'The body has 2000000 bytes; at most 1052672 are accepted',
      limit: 1_052_672,
      requested: 2_000_000,
    },
  },
  [ErrorCode.UNSUPPORTED_MEDIA_TYPE]: {
    status: 415,
    description: 'the body is not JSON',
    example: {
      message: 'The body must be sent with content-type: application/json; it came without a content-type',
    },
  },
  [ErrorCode.RATE_LIMITED]: {
    status: 429,
    description: 'too many requests; wait for `Retry-After` seconds',
    details: {
      limit: count,
      window: text,
      field: text,
      remaining: count,
      requested: count,
      resets_at: instant,
      ...upgrade,
    },
    example: {
      message: 'Rate limit exceeded (30 calls/1m)',
      limit: 30,
      window: '1m',
      remaining: 0,
      resets_at: '2026-11-28T12:01:00.000Z',
      tier: 'pro',
      upgrade_url: 'https://billing.example.com/upgrade',
    },
  },
  [ErrorCode.INTERNAL_SERVER_ERROR]: {
    status: 500,
    description: 'the server failed; the operator finds the cause by the header `x-request-id`',
    example: { message: 'Internal server error' },
  },
  [ErrorCode.PAYMENT_PROVIDER_ERROR]: {
    status: 502,
    description: 'Stripe rejected the request or is unavailable',
    details: { stripe_code: { ...text, nullable: true }, stripe_request_id: { ...text, nullable: true } },
    example: {
      message: 'The payment provider does not answer; try again shortly',
      stripe_code: null,
      stripe_request_id: 'req_1',
    },
  },
  [ErrorCode.SERVICE_UNAVAILABLE]: {
    status: 503,
    description:
      'the database or Stripe is unavailable, or the server is overloaded; wait for `Retry-After` seconds',
    details: { stripe_code: { ...text, nullable: true }, stripe_request_id: { ...text, nullable: true } },
    example: { message: 'The database is unavailable; try again shortly' },
  },
};

/** `RateLimitedError` for `RATE_LIMITED`. */
const schemaNameOf = (code: ErrorCode): string =>
  `${code.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())}`.replace(
    /(?:Error)?$/,
    'Error',
  );

const described = Object.entries(ERRORS) as [ErrorCode, DescribedError][];

/** A schema for each code. An error may have more details than those described. */
export const errorSchemas = described.map(([code, { details = {} }]) => ({
  $id: schemaNameOf(code),
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: { code: { type: 'string', enum: [code] }, message: text, ...details },
    },
  },
}));

const RETRY_AFTER = {
  'Retry-After': { description: 'Seconds', schema: { type: 'integer', minimum: 1 } },
};

/** The responses to errors with the codes, by status, as they are in the document. */
export function errorResponses(codes: readonly ErrorCode[]): Record<string, object> {
  const responses: Record<string, object> = {};
  for (const status of [400, 401, 403, 404, 413, 415, 429, 500, 502, 503]) {
    const found = described.filter(([code, error]) => error.status === status && codes.includes(code));
    if (found.length === 0) continue;
    const refs = found.map(([code]) => ({ $ref: `#/components/schemas/${schemaNameOf(code)}` }));
    responses[status] = {
      description: found.map(([code, { description }]) => `\`${code}\`: ${description}.`).join(' '),
      ...((status === 429 || status === 503) && { headers: RETRY_AFTER }),
      content: {
        'application/json': {
          schema: refs.length === 1 ? refs[0] : { oneOf: refs },
          examples: Object.fromEntries(
            found.map(([code, { example }]) => [code, { value: { error: { code, ...example } } }]),
          ),
        },
      },
    };
  }
  return responses;
}
