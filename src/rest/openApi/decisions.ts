import {
  ALL_SCOPES,
  MAX_COST,
  MAX_ENDPOINT_LENGTH,
  MAX_NAME_LENGTH,
  MAX_OPERATIONS,
  MAX_PARTS,
  MAX_RECEIPT_LENGTH,
} from '@continuum-billing/limits/core';
import { ErrorCode } from '../../common/errors.js';
import { BODY_ERRORS, ERRORS, KEYS } from './common.js';
import { count, input, listOf, object, optionalInstant, optionalText, text, texts } from './types.js';

// The routes of decisions. The rules of the mutations validate their requests.

const decisions = { tags: ['Decisions'], security: KEYS, 'x-errors': [...ERRORS, ErrorCode.RATE_LIMITED] };
const ofOperations = {
  ...decisions,
  'x-errors': [...decisions['x-errors'], ...BODY_ERRORS, ErrorCode.OPERATION_TOO_EXPENSIVE],
};
const name = { type: 'string', maxLength: MAX_NAME_LENGTH };
const list = (items: object) => ({ type: 'array', maxItems: MAX_PARTS, items });
const headers = { type: 'object', additionalProperties: { type: 'string' } };
const operations = (schema: string) =>
  input({ operations: { ...listOf(schema), minItems: 1, maxItems: MAX_OPERATIONS } });
const charges = list(
  input(
    {
      endpoint: { type: 'string', minLength: 1, maxLength: MAX_ENDPOINT_LENGTH },
      cost: { type: 'integer', minimum: 1, maximum: MAX_COST, default: 1 },
    },
    ['cost'],
  ),
);

/** The named schemas of operations and decisions. */
export const decisionSchemas = [
  {
    $id: 'Operation',
    ...input(
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
  },
  {
    $id: 'Decision',
    ...object({
      allowed: { type: 'boolean' },
      error: {
        ...object({
          code: text,
          message: text,
          details: { type: 'object', additionalProperties: true },
          headers,
        }),
        nullable: true,
      },
      tenantId: optionalText,
      tier: optionalText,
      concurrentRequests: { ...count, nullable: true },
      chargedAt: optionalInstant,
      holds: { type: 'array', items: object({ rootField: text, id: text }) },
      receipt: { ...optionalText, description: 'For `POST /v1/decisions/end`, within 15 minutes' },
      headers,
    }),
  },
  {
    $id: 'EndedOperation',
    ...input({
      receipt: { type: 'string', maxLength: MAX_RECEIPT_LENGTH },
      unearned: charges,
      keptHolds: list(name),
      releasedHolds: list(name),
    }),
  },
];

export const getDecisionNames = {
  ...decisions,
  operationId: 'getDecisionNames',
  summary: 'Get the names that operations may use',
  description: 'Also shows whether the key may decide.',
  response: { 200: object({ features: texts, resources: texts, upgradeUrl: text }) },
};

export const decide = {
  ...ofOperations,
  operationId: 'decideOperations',
  summary: `Decide up to ${MAX_OPERATIONS} operations of other services`,
  description:
    'The mutation `decideOperations` without GraphQL, for a key with the scope ENFORCE. Each operation is decided by itself, in one atomic step; a rejected one is not an error. The decisions are in the order of the operations.',
  body: operations('Operation'),
  response: { 200: object({ decisions: listOf('Decision') }) },
};

export const endDecisions = {
  ...ofOperations,
  operationId: 'endOperations',
  summary: `Return what up to ${MAX_OPERATIONS} operations did not use`,
  description:
    'The mutation `endOperations` without GraphQL. Each receipt works once, so that repeating the request changes nothing. If a receipt is not valid, or more is returned than it covers, nothing of the request is done.',
  body: operations('EndedOperation'),
  response: { 200: object({ ended: { type: 'boolean' } }) },
};
