import { createHmac } from 'node:crypto';
import { type GraphQLObjectType, type GraphQLSchema } from 'graphql';
import type { Random } from '../random.js';
import { DocumentWriter, type FuzzOperation } from './documents.js';
import { hostileValue, type KnownStrings, toJson } from './values.js';

/** One HTTP request, without the key. */
export interface FuzzRequest {
  /** What it is, for a report. */
  what: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | null;
}

const JSON_HEADERS = { 'content-type': 'application/json' };

/** An endpoint of GraphQL, with what all of its requests need. */
export interface GraphqlEndpoint {
  path: string;
  headers: Record<string, string>;
}

/** Every root field in turn, in a document that is made up by chance. */
export function graphqlRequests(
  schema: GraphQLSchema,
  { path, headers }: GraphqlEndpoint,
  random: Random,
  known: KnownStrings,
) {
  const roots = [schema.getQueryType(), schema.getMutationType()].flatMap((root) => root ?? []);
  const fields = roots.flatMap((root: GraphQLObjectType) =>
    Object.values(root.getFields()).map((field) => ({ root, field })),
  );
  const writer = new DocumentWriter(schema, random, known);
  let next = 0;
  return (): FuzzRequest => {
    const { root, field } = fields[next++ % fields.length] as (typeof fields)[number];
    const request = sent(writer.write(root, field), `${path} ${root.name}.${field.name}`, path, random);
    return { ...request, headers: { ...request.headers, ...headers } };
  };
}

function sent(operation: FuzzOperation, what: string, path: string, random: Random): FuzzRequest {
  const { query, variables, operationName } = operation;
  if (random.next() < 0.08) return byGet(operation, what, path);
  const body: Record<string, unknown> = { query, variables };
  if (operationName !== undefined) body.operationName = operationName;
  if (random.next() < 0.05) {
    body.extensions = random.pick<unknown>([
      { persistedQuery: { version: 1, sha256Hash: 'a'.repeat(64) } },
      { persistedQuery: { version: 99, sha256Hash: 5 } },
      { persistedQuery: null },
      hostileValue(random),
    ]);
    if (random.next() < 0.5) delete body.query;
  }
  if (random.next() < 0.02) body.query = hostileValue(random);
  let text = toJson(random.next() < 0.02 ? [body, body] : body);
  if (random.next() < 0.01) text = text.slice(0, random.between(0, text.length));
  const headers =
    random.next() < 0.02
      ? {
          'content-type': random.pick([
            'text/plain',
            'application/graphql',
            'a/b;charset=x',
            'multipart/form-data',
          ]),
        }
      : JSON_HEADERS;
  return { what, method: 'POST', path, headers, body: text };
}

const MAX_URL_LENGTH = 12_000;

function byGet(operation: FuzzOperation, what: string, path: string): FuzzRequest {
  const parameters = new URLSearchParams({ query: operation.query, variables: toJson(operation.variables) });
  if (operation.operationName !== undefined) parameters.set('operationName', String(operation.operationName));
  const url = `${path}?${parameters}`.slice(0, MAX_URL_LENGTH);
  return { what, method: 'GET', path: url, headers: { 'apollo-require-preflight': '1' }, body: null };
}

export interface OpenApi {
  paths: Record<
    string,
    Record<string, { requestBody?: { content?: Record<string, { schema?: JsonSchema }> } }>
  >;
  components?: { schemas?: Record<string, JsonSchema> };
}

interface JsonSchema {
  $ref?: string;
  type?: string | string[];
  items?: JsonSchema;
  enum?: unknown[];
  properties?: Record<string, JsonSchema>;
}

/** Every route that OpenAPI lists, with bodies that are right in part. */
export function restRequests(openApi: OpenApi, random: Random, known: KnownStrings) {
  const routes = Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { requestBody }]) => ({
      path,
      method: method.toUpperCase(),
      schema: requestBody?.content?.['application/json']?.schema ?? null,
    })),
  );
  return (): FuzzRequest => {
    const { path, method, schema } = random.pick(routes);
    const filled = path.replaceAll(/\{[^}]*\}/g, () =>
      encodeURIComponent(random.pick([known.pick(random), 'none', '__proto__', 'x'.repeat(300), 'a\0b'])),
    );
    const query = random.next() < 0.2 ? `?tenantId=${random.pick(['%00', '%ff', 'a&tenantId=b', '[]'])}` : '';
    const hasBody = method !== 'GET' && method !== 'HEAD';
    const body = hasBody && random.next() < 0.95 ? restBody(schema, openApi, random, known) : null;
    const headers = body === null || random.next() < 0.02 ? {} : JSON_HEADERS;
    return { what: `${method} ${path}`, method, path: filled + query, headers, body };
  };
}

function restBody(
  schema: JsonSchema | null,
  { components }: OpenApi,
  random: Random,
  known: KnownStrings,
): string {
  const named = (ref: string) => components?.schemas?.[ref.split('/').at(-1) ?? ''] ?? {};
  const value = random.next() < 0.15 ? hostileValue(random) : jsonOf(schema ?? {}, named, random, known);
  const text = toJson(value);
  return random.next() < 0.03 ? text.slice(0, random.between(0, text.length)) : text;
}

function jsonOf(
  schema: JsonSchema,
  named: (ref: string) => JsonSchema,
  random: Random,
  known: KnownStrings,
): unknown {
  if (random.next() < 0.12) return hostileValue(random);
  if (schema.$ref) return jsonOf(named(schema.$ref), named, random, known);
  if (schema.enum) return random.pick(schema.enum);
  const type = [schema.type].flat()[0];
  if (type === 'array')
    return Array.from({ length: random.between(0, 3) }, () =>
      jsonOf(schema.items ?? {}, named, random, known),
    );
  if (type === 'object' || schema.properties) {
    const parts = Object.entries(schema.properties ?? {}).filter(() => random.next() < 0.85);
    return Object.fromEntries(parts.map(([name, part]) => [name, jsonOf(part, named, random, known)]));
  }
  if (type === 'integer' || type === 'number') return random.between(0, 100);
  if (type === 'boolean') return random.next() < 0.5;
  return random.pick([known.pick(random), 'https://app.example/ok', 'pro', 'a@b.example']);
}

const EVENT_TYPES = [
  'customer.subscription.created',
  'customer.subscription.updated',
  'checkout.session.completed',
  'invoice.paid',
  'customer.deleted',
  'nothing.known',
];

/** @param secret null: the signatures are wrong */
export function webhookRequests(secret: string | null, random: Random, known: KnownStrings) {
  return (): FuzzRequest => {
    const maybe = (value: unknown) => (random.next() < 0.1 ? hostileValue(random) : value);
    const event = maybe({
      id: maybe(`evt_${random.between(1, 1_000_000)}`),
      object: maybe(random.pick(['event', 'v2.core.event'])),
      type: maybe(random.pick(EVENT_TYPES)),
      created: maybe(Math.floor(Date.now() / 1_000)),
      livemode: maybe(false),
      related_object: maybe({ id: maybe('sub_1'), type: maybe('subscription') }),
      data: maybe({
        object: maybe({
          id: maybe(random.pick(['sub_1', 'cus_1', known.pick(random)])),
          object: maybe(random.pick(['subscription', 'customer', 'invoice', 'checkout.session'])),
          customer: maybe('cus_1'),
          subscription: maybe('sub_1'),
          status: maybe('active'),
          metadata: maybe({ tenantId: maybe(known.pick(random)) }),
          items: maybe({ data: maybe([maybe({ id: 'si_1', price: maybe({ id: 'price_1' }) })]) }),
        }),
      }),
    });
    const body = toJson(event);
    const time = Math.floor(Date.now() / 1_000);
    const signature = createHmac('sha256', secret ?? 'wrong')
      .update(`${time}.${body}`)
      .digest('hex');
    const header = random.next() < 0.05 ? 't=x,v1=,' : `t=${time},v1=${signature}`;
    return {
      what: 'webhook',
      method: 'POST',
      path: '/v1/billing/webhook',
      headers: { ...JSON_HEADERS, 'stripe-signature': header },
      body,
    };
  };
}
