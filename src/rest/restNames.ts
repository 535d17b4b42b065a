import { restDetails, restName } from '@continuum-billing/limits/core';
import type { FastifySchemaValidationError } from 'fastify';
import { BillingError, badInput } from '../common/errors.js';

// Names in the REST routes under /v1/billing: snake case in requests, responses and errors; routes with hyphens.

/** Names that are not the same in GraphQL. */
const ARGUMENTS: Readonly<Record<string, string>> = { limit: 'first', cursor: 'after' };
const REST_NAMES: Readonly<Record<string, string>> = {
  first: 'limit',
  after: 'cursor',
  endCursor: 'next_cursor',
};

/** @returns a request's input with the names of the field's arguments */
export const argumentsOf = (input: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(input).map(([name, value]) => [
      ARGUMENTS[name] ?? name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  );

export interface QuerySchema {
  properties?: Record<string, { type?: unknown }>;
}

/** A query has text alone. What its schema calls a number or a boolean becomes one, if it is written as one. */
export function typedQuery(query: unknown, schema: QuerySchema | undefined): unknown {
  const properties = schema?.properties ?? {};
  return Object.fromEntries(
    Object.entries(query as Record<string, unknown>).map(([name, value]) => {
      const type = properties[name]?.type;
      if (type === 'integer' && typeof value === 'string' && /^-?\d{1,15}$/.test(value))
        return [name, Number(value)];
      if (type === 'boolean' && (value === 'true' || value === 'false')) return [name, value === 'true'];
      return [name, value];
    }),
  );
}

/** Mutations that error messages name, and the routes that do the same. */
const ROUTES = [
  'createCheckoutSession',
  'createPortalSession',
  'changeTier',
  'cancelSubscription',
  'resumeSubscription',
  'setSeats',
  'createTenant',
];
const FIELDS = ['tenantId', 'externalId', 'atPeriodEnd', 'intervalCount', 'endCursor'];
const NAMES_IN_TEXT = new RegExp(`\\b(?:${[...ROUTES, ...FIELDS].join('|')})\\b`, 'g');

const routeName = (field: string): string => restName(field).replaceAll('_', '-');

/** Errors of limits name a root field by its coordinate. */
const restText = (text: string): string =>
  text
    .replace(/\b(?:Query|Mutation)\.(\w+)/g, (_, field: string) => routeName(field))
    .replace(NAMES_IN_TEXT, (name) =>
      ROUTES.includes(name) ? routeName(name) : (REST_NAMES[name] ?? restName(name)),
    );

/** @returns the error as this API spells it: `success_url` for `input.successUrl`, `resets_at` for `resetsAt` */
export function withRestNames(error: unknown): unknown {
  // What a schema rejects is named as it was sent.
  if (!(error instanceof BillingError) || 'validation' in error) return error;
  const { code, message, details, headers } = error;
  const { argument, problem, ...others } = details;
  const rest = restDetails(others);
  if (typeof argument !== 'string' || typeof problem !== 'string')
    return new BillingError(code, restText(message), rest, headers);
  const [name = '', ...path] = argument.replace(/^(?:input|body|query)\.(?=.)/, '').split('.');
  return badInput([REST_NAMES[name] ?? restName(name), ...path].join('.'), restText(problem), rest);
}

/** @returns the error for what a route's schema rejects, which names the field */
export function whyInvalid(errors: FastifySchemaValidationError[], part: string): Error {
  const [{ instancePath, keyword, params, message = 'is not valid' }] = errors as [
    FastifySchemaValidationError,
  ];
  const path = instancePath.split('/').slice(1);
  switch (keyword) {
    case 'required':
      return badInput([...path, String(params.missingProperty)].join('.'), 'is required');
    case 'additionalProperties': {
      const what = part === 'querystring' ? 'a parameter' : 'a field';
      const name = String(params.additionalProperty).slice(0, MAX_SHOWN);
      return badInput([...path, name].join('.'), `is not ${what} of this request`);
    }
    case 'enum':
      return badInput(
        path.join('.'),
        `must be one of ${(params.allowedValues as unknown[]).filter((value) => value !== null).join(', ')}`,
      );
    default:
      return badInput(path.join('.') || part, message);
  }
}

const MAX_SHOWN = 50;
