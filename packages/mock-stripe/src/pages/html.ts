import { createHash } from 'node:crypto';
import { isWebUrl } from '../webUrl.js';

/** The only style of the pages: their Content-Security-Policy names it by its hash. */
const PAGE_STYLE = `
:root { color-scheme: light dark; --ink: #1a1f36; --soft: #6a7383; --line: #e3e8ee; --card: #fff; --back: #f6f9fc; --pay: #635bff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #f5f6f8; --soft: #a3acba; --line: #3a4152; --card: #1f2433; --back: #12151f; --pay: #7a73ff; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px;
  background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 26rem; padding: 32px; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; box-shadow: 0 8px 24px rgb(0 0 0 / 8%); overflow-wrap: anywhere; }
.badge { display: inline-block; padding: 2px 10px; border-radius: 99px; background: #ffde92; color: #5c3d00;
  font-size: 12px; font-weight: 600; letter-spacing: .04em; text-transform: uppercase; }
h1 { margin: 16px 0 4px; font-size: 20px; font-weight: 600; }
.amount { margin: 0; font-size: 34px; font-weight: 700; letter-spacing: -.02em; }
.soft { margin: 0; color: var(--soft); }
dl { margin: 24px 0; border-top: 1px solid var(--line); }
dl div { display: flex; justify-content: space-between; gap: 16px; padding: 12px 0; border-bottom: 1px solid var(--line); }
dt { color: var(--soft); }
dd { margin: 0; text-align: right; }
.code { display: grid; gap: 4px; margin-bottom: 16px; color: var(--soft); }
input { width: 100%; padding: 8px 12px; border: 1px solid var(--line); border-radius: 8px; background: var(--card);
  color: var(--ink); font: inherit; }
input:focus-visible { outline: 3px solid var(--pay); outline-offset: 2px; }
button { width: 100%; padding: 12px; border-radius: 8px; font: inherit; font-weight: 600; cursor: pointer; }
button:focus-visible { outline: 3px solid var(--pay); outline-offset: 2px; }
.pay { border: 0; background: var(--pay); color: #fff; }
.leave { margin-top: 12px; border: 1px solid var(--line); background: transparent; color: var(--ink); }
`;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

/** @param content HTML, everything in it escaped already */
export function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<span class="badge">Mock, no money moves</span>
${content}
</main>
</body>
</html>
`;
}

export const row = (term: string, value: string): string =>
  `<div><dt>${escapeHtml(term)}</dt><dd>${escapeHtml(value)}</dd></div>`;

/** What a page's request is answered with. */
export interface PageResponse {
  status: number;
  headers: Record<string, string>;
  /** Empty for a redirect. */
  body: string;
}

const STYLE_SOURCE = `'sha256-${createHash('sha256').update(PAGE_STYLE).digest('base64')}'`;

/** @param leadsTo where the page's forms are redirected: browsers apply `form-action` to redirects, too */
export function show(status: number, html: string, leadsTo: (string | null)[] = []): PageResponse {
  const origins = leadsTo.filter(isWebUrl).map((url) => new URL(url).origin);
  const formAction = ["'self'", ...new Set(origins)].join(' ');
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        `default-src 'none'; style-src ${STYLE_SOURCE}; form-action ${formAction}; ` +
        "base-uri 'none'; frame-ancestors 'none'",
      'cache-control': 'no-store',
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    },
    body: html,
  };
}

/** A page with one sentence. */
export const message = (status: number, sentence: string): PageResponse =>
  show(status, page('Checkout', `<h1>${escapeHtml(sentence)}</h1>`));

export const redirect = (url: string): PageResponse => ({
  status: 303,
  headers: { location: url, 'cache-control': 'no-store' },
  body: '',
});
