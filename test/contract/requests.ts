/** A request to Stripe as it went over the wire, and requests that are a little other than it. */
import { StripeFault } from '../../src/services/stripe/mock/http/errors.js';
import { decodeForm } from '../../src/services/stripe/mock/http/form.js';
import { parseParams } from '../../src/services/stripe/mock/http/params.js';
import { createRouter } from '../../src/services/stripe/mock/http/router.js';
import { operations } from '../../src/services/stripe/mock/resources/index.js';

export interface StripeRequest {
  method: string;
  path: string;
  /** Of the body or of the query, decoded: `['items[0][price]', 'price_1']`. */
  fields: [name: string, value: string][];
}

/** What is done to one of a request's parameters. */
export interface Change {
  kind: 'unknown' | 'without' | 'nested' | 'word';
  param: string;
}

const WORD = 'word';
const route = createRouter(operations);

const encoded = ({ fields }: StripeRequest) => new URLSearchParams(fields).toString();
const paramOf = (name: string): string => name.split('[', 1)[0] as string;

/** The outermost parameters, each once. */
export const paramsOf = ({ fields }: StripeRequest): string[] => [
  ...new Set(fields.map(([name]) => paramOf(name))),
];

/** `POST /v1/customers/:id` */
export function endpointOf({ method, path }: StripeRequest): string {
  try {
    return `${method} ${route(method, path).operation.path}`;
  } catch {
    // Our mock does not know it. Ids have digits in them; the names of Stripe's resources have not.
    const [, version, ...rest] = path.split('/');
    return `${method} /${[version, ...rest.map((name) => (/\d/.test(name) ? ':id' : name))].join('/')}`;
  }
}

export function without(request: StripeRequest, param: string): StripeRequest {
  return { ...request, fields: request.fields.filter(([name]) => paramOf(name) !== param) };
}

/** Changes of its outermost parameters: an unknown one more, one less, a word or an object in place of one. */
export function changesOf(request: StripeRequest): Change[] {
  const scalars = new Set(request.fields.map(([name]) => name));
  return [
    { kind: 'unknown', param: 'not_a_parameter' },
    ...paramsOf(request).flatMap((param): Change[] => [
      { kind: 'without', param },
      { kind: 'word', param },
      ...(scalars.has(param) ? [{ kind: 'nested' as const, param }] : []),
    ]),
  ];
}

export function changed(request: StripeRequest, { kind, param }: Change): StripeRequest {
  const rest = without(request, param);
  if (kind === 'without') return rest;
  const name = kind === 'nested' ? `${param}[${WORD}]` : param;
  return { ...rest, fields: [...rest.fields, [name, WORD]] };
}

/** @returns why our mock refuses the request for its form, whatever the mock holds; null: it does not */
export function refusedByOurs(request: StripeRequest): string | null {
  try {
    const { operation } = route(request.method, request.path);
    parseParams(operation.params, decodeForm(encoded(request)));
    return null;
  } catch (error) {
    if (error instanceof StripeFault) return error.message;
    throw error;
  }
}

/** @returns why stripe-mock refuses it; null: it does not */
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
  return answer.ok ? null : `${answer.status} ${error?.message}`;
}
