/** A request to Stripe as it went over the wire, and requests that are a little other than it. */
import type { z } from 'zod';
import { MockStripeError } from '../../packages/mock-stripe/src/http/errors.js';
import { decodeForm } from '../../packages/mock-stripe/src/http/form.js';
import { parseParams } from '../../packages/mock-stripe/src/http/params.js';
import { createRouter } from '../../packages/mock-stripe/src/http/router.js';
import type { Operation } from '../../packages/mock-stripe/src/operation.js';
import { operations } from '../../packages/mock-stripe/src/resources/index.js';

export interface StripeRequest {
  method: string;
  path: string;
  /** Of the body or of the query, decoded: `['items[0][price]', 'price_1']`. */
  fields: [name: string, value: string][];
  /** Whose request it is, of those that the source makes. */
  by?: 'server' | 'setup';
}

/** What is done to one of a request's parameters. */
export interface Change {
  kind: 'unknown' | 'without' | 'word' | 'object';
  /** The outermost, or one inside it: `items[0][price]`. */
  param: string;
}

const route = createRouter(operations);

const encoded = ({ fields }: StripeRequest) => new URLSearchParams(fields).toString();
const outermost = (name: string): string => name.split('[', 1)[0] as string;

/** The outermost parameters, each once. */
export const paramsOf = ({ fields }: StripeRequest): string[] => [
  ...new Set(fields.map(([name]) => outermost(name))),
];

/** `POST /v1/customers/:id` */
export function endpointOf({ method, path }: StripeRequest): string {
  const operation = operationOf({ method, path });
  if (operation) return `${method} ${operation.path}`;
  // Ids have digits in them; the names of Stripe's resources have not.
  const [, version, ...rest] = path.split('/');
  return `${method} /${[version, ...rest.map((name) => (/\d/.test(name) ? ':id' : name))].join('/')}`;
}

/** @returns null: our mock has none */
function operationOf({ method, path }: Pick<StripeRequest, 'method' | 'path'>): Operation | null {
  try {
    return route(method, path).operation;
  } catch {
    return null;
  }
}

/** A request without parameters to each endpoint that our mock has. */
export const plainRequests = (): StripeRequest[] =>
  operations.map(({ method, path }) => ({ method, path: path.replace(':id', 'any_1'), fields: [] }));

/** Without a parameter and all that is inside it. */
export function without(request: StripeRequest, param: string): StripeRequest {
  const others = request.fields.filter(([name]) => name !== param && !name.startsWith(`${param}[`));
  return { ...request, fields: others };
}

/**
 * Of the outermost parameters, those too that our mock takes and the request does not have: an unknown one more, one
 * less, a word or an object in place of one; and a word in place of what is inside them.
 */
export function changesOf(request: StripeRequest): Change[] {
  const present = paramsOf(request);
  const taken = Object.keys((operationOf(request)?.params as z.ZodObject | undefined)?.shape ?? {});
  const inside = request.fields.map(([name]) => name).filter((name) => name.includes('['));
  return [
    { kind: 'unknown', param: 'not_a_parameter' },
    ...present.map((param) => ({ kind: 'without' as const, param })),
    ...[...new Set([...present, ...taken])].flatMap((param): Change[] => [
      { kind: 'word', param },
      { kind: 'object', param },
    ]),
    // What a path of expand leads to is no question of form: stripe-mock fails at one that leads nowhere.
    ...inside
      .filter((name) => outermost(name) !== 'expand')
      .map((param) => ({ kind: 'word' as const, param })),
  ];
}

export function changed(request: StripeRequest, { kind, param }: Change): StripeRequest {
  const rest = without(request, param);
  if (kind === 'without') return rest;
  return { ...rest, fields: [...rest.fields, [kind === 'object' ? `${param}[word]` : param, 'word']] };
}

/** @returns why our mock refuses the request for its form, whatever the mock holds; null: it does not */
export function refusedByOurs(request: StripeRequest): string | null {
  try {
    const { operation } = route(request.method, request.path);
    parseParams(operation.params, decodeForm(encoded(request)));
    return null;
  } catch (error) {
    if (error instanceof MockStripeError) return error.message;
    throw error;
  }
}

/** @returns why stripe-mock refuses it; null: it does not. @throws when stripe-mock itself fails */
export async function refusedByStripes(url: string, request: StripeRequest): Promise<string | null> {
  const { method, path } = request;
  const form = encoded(request);
  const inBody = method === 'POST';
  const answer = await fetch(`${url}${path}${inBody || !form ? '' : `?${form}`}`, {
    method,
    headers: {
      authorization: 'Bearer sk_test_1',
      ...(inBody && { 'content-type': 'application/x-www-form-urlencoded' }),
    },
    ...(inBody && { body: form }),
  });
  const { error } = (await answer.json()) as { error?: { message: string } };
  if (answer.status >= 500) throw new Error(`stripe-mock failed at ${method} ${path}?${form}`);
  return answer.ok ? null : `${answer.status} ${error?.message}`;
}
