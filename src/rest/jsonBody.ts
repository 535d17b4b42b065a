import type { FastifyInstance } from 'fastify';
import { type BillingError, badInput } from '../errors.js';
import type { LargeRequests } from './largeRequests.js';

/**
 * Reads JSON bodies.
 * @param empty what a body of no bytes means: null, or an error
 */
export function takeJson(app: FastifyInstance, largeRequests: LargeRequests, empty: 'null' | 'error'): void {
  // A key "constructor" is data like any other: bodies are never merged into objects of ours.
  const parser = app.getDefaultJsonParser('error', 'ignore');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') return empty === 'null' ? done(null, null) : done(badInput('body', 'is empty'));
    // It answers before it returns.
    const parse = () =>
      parser(request, body, (error, value) => (error ? done(whyRejected(body)) : done(null, value)));
    if (largeRequests.isLarge(body)) largeRequests.parseBody(request, parse).catch(done);
    else parse();
  });
}

/** Fastify's parser does not say whether it was the syntax or the key, which may be written with escapes. */
function whyRejected(body: string): BillingError {
  if (!/__proto__|\\u/.test(body)) return badInput('body', 'is not valid JSON');
  try {
    JSON.parse(body);
    return badInput('body', 'must not have the key "__proto__"');
  } catch {
    return badInput('body', 'is not valid JSON');
  }
}
