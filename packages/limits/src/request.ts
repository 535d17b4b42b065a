import { type IncomingHttpHeaders } from 'node:http';
import type { GraphQLSchema } from 'graphql';
import { isJwt } from './keyFormat.js';

/** The headers of a request, as Node, Fetch or Apollo represent them. */
export type AnyHeaders = IncomingHttpHeaders | { get(name: string): string | null | undefined };

function headerOf(headers: AnyHeaders, name: string): string | null {
  const value =
    typeof headers.get === 'function' ? headers.get(name) : (headers as IncomingHttpHeaders)[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

/** Is not a key, so that it is rejected like every other text that is not one. */
const NO_KEY = 'a JWT in the header x-api-key';

/** `x-api-key: <key>` or `Authorization: Bearer <key or JWT>`. @returns null if there is none */
export function apiKeyOfHeaders(headers: AnyHeaders): string | null {
  const own = headerOf(headers, 'x-api-key');
  if (own !== null) return isJwt(own) ? NO_KEY : own;
  return /^Bearer\s+(.+)$/i.exec(headerOf(headers, 'authorization') ?? '')?.[1]?.trim() ?? null;
}

interface UsualContext {
  apiKey?: unknown;
  headers?: AnyHeaders;
  req?: { headers?: AnyHeaders };
  request?: { headers?: AnyHeaders };
}

/** The caller's key or JWT. Looks where servers usually put it: `context.apiKey`, or the headers of `context`, `context.req` or `context.request`. */
export function apiKeyOfContext(context: unknown): string | null {
  if (context === null || typeof context !== 'object') return null;
  const { apiKey, headers, req, request } = context as UsualContext;
  if (typeof apiKey === 'string' && apiKey !== '') return apiKey;
  for (const candidate of [headers, req?.headers, request?.headers]) {
    const key = candidate && apiKeyOfHeaders(candidate);
    if (key) return key;
  }
  return null;
}

/** Whether the schema is a subgraph. Its client is a gateway, which takes a status other than 200 for a broken subgraph. */
export const isSubgraph = (schema: GraphQLSchema): boolean =>
  schema.getQueryType()?.getFields()._service !== undefined;
