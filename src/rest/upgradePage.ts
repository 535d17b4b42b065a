import type { FastifyPluginAsync } from 'fastify';
import { amountText, bytesText } from '../common/amounts.js';
import { formatMoney } from '../common/money.js';
import type { Tiers } from '../services/tiers/tiers.js';

/** The page that every limit error links to. It shows the tiers and how to buy one. */
export function upgradePage({ tiers }: { tiers: Tiers }): FastifyPluginAsync {
  return async (app) => {
    app.get('/upgrade', { schema: { hide: true } }, async (_request, reply) => {
      return reply.type('text/html; charset=utf-8').header('content-security-policy', CSP).send(page(tiers));
    });
  };
}

const CSP =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const number = new Intl.NumberFormat('en');

function page(tiers: Tiers): string {
  const { currency } = tiers.catalogue;
  const cards = tiers.all().map(({ name, monthlyPriceCents, limits, features, support }) => {
    const cost =
      monthlyPriceCents === null
        ? 'by contract'
        : `${formatMoney(monthlyPriceCents, currency, { stripZeros: true })} a month`;
    const lines = [
      `${amountText(limits.apiCallsPerDay, 'calls')} a day, ${number.format(limits.apiCallsPerMinute)} a minute`,
      `${number.format(limits.concurrentRequests)} at once`,
      amountText(limits.maxMemories, 'memories'),
      `${bytesText(limits.maxStorageBytes)} of storage`,
      features.map((feature) => feature.toLowerCase().replaceAll('_', ' ')).join(', '),
      `support: ${support}`,
    ];
    const items = lines.filter(Boolean).map((line) => `<li>${escapeHtml(line)}</li>`);
    return `<section><h2>${escapeHtml(name)}</h2><p class="price">${escapeHtml(cost)}</p><ul>${items.join('')}</ul></section>`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tiers</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:3rem auto;padding:0 1rem;color:#1d2430;background:#f6f7f9}
main{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:1rem}
section{background:#fff;border:1px solid #dfe3e8;border-radius:.75rem;padding:1.25rem}
h2{margin:0;font-size:1.1rem}.price{font-size:1.4rem;margin:.25rem 0 .75rem}ul{margin:0;padding-left:1.1rem}
pre{background:#1d2430;color:#e8edf4;padding:1rem;border-radius:.75rem;overflow:auto}
</style><h1>Tiers</h1><main>${cards.join('')}</main>
<h2>Buy one</h2><p>With your key, at <code>POST /graphql</code>; then open the <code>url</code> of the answer.</p>
<pre>mutation {
  createCheckoutSession(input: {tier: PRO, successUrl: "https://…", cancelUrl: "https://…"}) { url localUrl }
}</pre></html>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
