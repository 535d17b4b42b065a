import { createHash } from 'node:crypto';
import { needGoodValue } from '@continuum-billing/limits/core';
import { PAGE_STYLE } from '@continuum-billing/mock-stripe';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** A form of the pages carries a name or two; the clock's body is a few bytes. */
const MAX_BODY_BYTES = 16_384;
const STYLE_SOURCE = `'sha256-${createHash('sha256').update(PAGE_STYLE).digest('base64')}'`;

/** Forms, scripts and curl post with different types or none, and mostly nothing inside: bodies come as text. */
export function takeForms(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    done(null, body);
  });
  app.addHook('onRoute', (route) => {
    route.bodyLimit = MAX_BODY_BYTES;
  });
  app.addHook('preValidation', async ({ params }) => needGoodValue('path', params));
}

/** @throws BAD_USER_INPUT for a value that is no text that can be stored */
export function formField(body: unknown, name: string): string {
  const value = new URLSearchParams(typeof body === 'string' ? body : '').get(name) ?? '';
  needGoodValue(name, value);
  return value;
}

export const openApi = (summary: string) => ({ tags: ['Mock mode'], summary, security: [] });

export function isWebUrl(url: string | null): url is string {
  return url !== null && /^https?:$/.test(URL.parse(url)?.protocol ?? '');
}

/** @param leadsTo where the page's forms are redirected: browsers hold redirects to `form-action`, too */
export function show(
  reply: FastifyReply,
  status: number,
  html: string,
  leadsTo: (string | null)[] = [],
): FastifyReply {
  const origins = leadsTo.filter(isWebUrl).map((url) => new URL(url).origin);
  const formAction = ["'self'", ...new Set(origins)].join(' ');
  const policy =
    `default-src 'none'; style-src ${STYLE_SOURCE}; form-action ${formAction}; ` +
    "base-uri 'none'; frame-ancestors 'none'";
  return reply
    .code(status)
    .type('text/html; charset=utf-8')
    .headers({
      'content-security-policy': policy,
      'cache-control': 'no-store',
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    })
    .send(html);
}
