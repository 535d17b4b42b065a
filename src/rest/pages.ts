import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import { serviceUnavailable } from '../common/errors.js';
import type { Services } from '../services/services.js';
import { escapeHtml, priceList, titleOf } from './priceList.js';
import { PAGE_POLICY } from './securityHeaders.js';

/** Where the dashboard is built: beside the sources of this package, and in what is published. */
const BUILT = join(
  dirname(createRequire(import.meta.url).resolve('continuum-billing/package.json')),
  'dashboard/dist',
);

const YEAR_S = 31_536_000;

/** The pages for people, by their file. Each finds its way in its URL by itself. */
const PAGES = {
  'admin.html': ['/admin', '/admin/*'],
  'customer.html': ['/billing'],
};

/** The operator's dashboard and the pages for customers, as `dashboard/` builds them. */
export function pages({
  tiers,
  brand,
  sampleDomain,
}: Pick<Services, 'tiers' | 'brand' | 'sampleDomain'>): FastifyPluginAsync {
  const built = readBuilt(PRICE_PAGE);
  const isBuilt = built !== null;
  const template = built ?? UNBUILT;
  /** The pages do not ask for the sample domain where the server has none. */
  const marked = (html: string) =>
    sampleDomain ? html : html.replace('<html ', '<html data-sample-domain="off" ');
  return async (app) => {
    if (isBuilt)
      await app.register(fastifyStatic, {
        root: join(BUILT, 'assets'),
        prefix: '/assets/',
        // Their names change with their content.
        immutable: true,
        maxAge: YEAR_S * 1000,
        preCompressed: true,
        index: false,
        list: false,
        decorateReply: true,
        schemaHide: true,
      });
    // All pages share one folder of assets, so a missing asset must be 404 and not the page itself.
    app.get('/admin/assets/*', { schema: { hide: true } }, async (_request, reply) => reply.callNotFound());
    for (const [file, paths] of Object.entries(PAGES)) {
      for (const path of paths) {
        app.get(path, { schema: { hide: true } }, async (_request, reply) => {
          if (!isBuilt) throw serviceUnavailable(NOT_BUILT);
          if (sampleDomain) return sendPage(reply, file);
          return setHeaders(reply)
            .type(HTML)
            .send(marked(readBuilt(file) ?? ''));
        });
      }
    }
    // Even without scripts, and where the pages are not built, rejections lead to the prices.
    app.get('/upgrade', { schema: { hide: true } }, async (_request, reply) => {
      setHeaders(reply).type(HTML);
      const own = brand.read();
      return marked(pricePage(template, titleOf(own), priceList(tiers, own, { sampleDomain })));
    });
  };
}

/** @returns null if the pages are not built */
function readBuilt(file: string): string | null {
  try {
    return readFileSync(join(BUILT, file), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

const HTML = 'text/html; charset=utf-8';
const PRICE_PAGE = 'customer.html';
const UNBUILT =
  '<!doctype html><html lang="en"><head><title></title></head><body><noscript></noscript></body></html>';

function pricePage(template: string, title: string, list: string): string {
  return template
    .replace(/<title>.*?<\/title>/s, () => `<title>${escapeHtml(title)}</title>`)
    .replace(/<meta name="robots"[^>]*>/, '')
    .replace(/<noscript>.*?<\/noscript>/s, () =>
      template === UNBUILT ? list : `<noscript>${list}</noscript>`,
    );
}

const NOT_BUILT =
  'The pages are not built: run npm ci --include=dev && npm run build where the server is installed, and restart it';

async function sendPage(reply: FastifyReply, file: string): Promise<FastifyReply> {
  return setHeaders(reply).sendFile(file, BUILT, { cacheControl: false });
}

const setHeaders = (reply: FastifyReply): FastifyReply =>
  reply.header('content-security-policy', PAGE_POLICY).header('cache-control', 'no-cache');
