import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import type { ErrorCode } from '../../common/errors.js';
import { SWAGGER_POLICY } from '../securityHeaders.js';
import { decisionSchemas } from './decisions.js';
import { errorResponses, errorSchemas } from './errors.js';
import { schemas } from './schemas.js';

/** Adds the schemas that routes refer to by name. */
export function addSchemas(server: FastifyInstance): void {
  for (const schema of [...schemas, ...decisionSchemas, ...errorSchemas]) server.addSchema(schema);
}

/**
 * Serves the description of routes that are added later, at `GET /docs`.
 * @param publicUrl where clients reach the server; null: where they got the document
 */
export async function serveOpenApi(server: FastifyInstance, publicUrl: string | null): Promise<void> {
  await server.register(swagger, {
    openapi: { ...DOCUMENT, servers: [{ url: publicUrl ?? '/' }] },
    refResolver: { buildLocalReference: ({ $id }, _base, _fragment, i) => String($id ?? `def-${i}`) },
    transformObject: (document) => ('openapiObject' in document ? completed(document.openapiObject) : {}),
  });
  await server.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: SWAGGER_POLICY,
    // Otherwise the page would send the description to Swagger's validator on the internet.
    uiConfig: { validatorUrl: null },
  });
}

const DOCUMENT = {
  openapi: '3.1.0',
  info: {
    title: 'Continuum Billing',
    description:
      'The REST routes. Amounts are in cents, instants in UTC, names of tiers and features in lower case. The whole API is GraphQL, at `POST /graphql`.',
    version: '1',
    license: { name: 'MIT', identifier: 'MIT' },
  },
  tags: [
    { name: 'Usage', description: 'What tenants use, and what they may use' },
    { name: 'Subscription', description: 'What tenants buy' },
    { name: 'Tenants', description: 'Who the customers are' },
    { name: 'Decisions', description: 'What `remoteLimits` of the library asks' },
    { name: 'Audit log' },
    { name: 'Webhook' },
    { name: 'Health' },
  ],
  components: {
    securitySchemes: {
      apiKey: { type: 'apiKey' as const, in: 'header' as const, name: 'x-api-key' },
      bearer: {
        type: 'http' as const,
        scheme: 'bearer',
        description: 'An API key, a token of a tenant, or a JWT of your identity provider',
      },
    },
  },
};

/** What the routes say beside their schemas: the codes of their errors, and headers of their success. */
interface Operation {
  'x-errors'?: ErrorCode[];
  'x-headers'?: object;
  requestBody?: { required: boolean; content: Record<string, { schema: { type?: unknown } }> };
  responses: Record<string, object>;
}

/** Adds what Fastify's schemas cannot express. */
function completed<T extends object>(document: T): T {
  const { paths } = document as { paths?: Record<string, Record<string, Operation>> };
  for (const operation of Object.values(paths ?? {}).flatMap((item) => Object.values(item))) {
    const { 'x-errors': codes = [], 'x-headers': headers, requestBody, responses } = operation;
    delete operation['x-errors'];
    delete operation['x-headers'];
    if (headers) responses[200] = { ...responses[200], headers };
    Object.assign(responses, errorResponses(codes));
    const type = requestBody?.content['application/json']?.schema.type;
    if (requestBody && Array.isArray(type) && type.includes('null')) requestBody.required = false;
  }
  return JSON.parse(JSON.stringify(document), (_name, value) =>
    value?.['x-described-as'] ? { $ref: `#/components/schemas/${value['x-described-as']}` } : value,
  );
}
