import { needGoodValue } from '@continuum-billing/limits/core';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { type BillingError, badInput } from '../common/errors.js';
import type { LargeRequests } from './largeRequests.js';

/**
 * Reads JSON bodies.
 * @param empty whether an empty body is null or an error
 */
export function takeJson(app: FastifyInstance, largeRequests: LargeRequests, empty: 'null' | 'error'): void {
  // The key "constructor" is harmless, because bodies are never merged into other objects.
  const parser = app.getDefaultJsonParser('error', 'ignore');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return empty === 'null' ? done(null, null) : done(badInput('body', 'is empty'));
    const parse = (then: (error: BillingError | null, value: unknown) => void) =>
      parser(request, body, (error, value) => then(error ? whyRejected(body) : null, value));
    if (!largeRequests.isLarge(body)) return parse(done);
    const parseBody = () =>
      new Promise((resolve, reject) => {
        if (isNestedTooDeeply(body)) reject(badInput('body', 'is nested too deeply'));
        else parse((error, value) => (error ? reject(error) : resolve(value)));
      });
    largeRequests.parseBody(request, parseBody).then((value) => done(null, value), done);
  });
}

/** More than any value may have. A value with less depth gets the error that names its argument. */
const MAX_DEPTH = 10_000;

/** A million brackets take 50 ms to parse, but only a millisecond to count. */
function isNestedTooDeeply(json: string): boolean {
  let depth = 0;
  let isText = false;
  for (const [mark] of json.matchAll(/["[\]{}]|\\./g)) {
    if (mark === '"') isText = !isText;
    else if (isText) continue;
    else if (mark === '[' || mark === '{') depth++;
    else if (mark === ']' || mark === '}') depth--;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

/** Fastify's parser does not say whether it rejected the syntax or the key, which may be written with escapes. */
function whyRejected(body: string): BillingError {
  if (!/__proto__|\\u/.test(body)) return badInput('body', 'is not valid JSON');
  try {
    JSON.parse(body);
    return badInput('body', 'must not have the key "__proto__"');
  } catch {
    return badInput('body', 'is not valid JSON');
  }
}

/**
 * What a request has sent, by its schema.
 * @param name how errors name the whole value
 * @throws BAD_USER_INPUT for the first thing that is wrong
 */
export function validInput<T>(value: unknown, schema: z.ZodType<T>, name: 'body' | 'query'): T {
  needGoodValue(name, value);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue?.path.length === 0 && issue.code === 'invalid_type') throw badInput(name, 'is not a JSON object');
  throw badInput(issue?.path.join('.') || name, issue?.message ?? 'is not valid');
}
