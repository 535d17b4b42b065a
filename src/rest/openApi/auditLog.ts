import { ErrorCode } from '../../common/errors.js';
import { ERRORS, KEYS } from './common.js';
import { instant } from './types.js';

export const exportAuditLog = {
  tags: ['Audit log'],
  security: KEYS,
  operationId: 'exportAuditLog',
  'x-errors': [...ERRORS, ErrorCode.NOT_FOUND, ErrorCode.RATE_LIMITED],
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
  },
};
