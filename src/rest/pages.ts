import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import { serviceUnavailable } from '../common/errors.js';
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
export function pages(): FastifyPluginAsync {
  const isBuilt = existsSync(BUILT);
  return async (app) => {
    if (isBuilt)
      await app.register(fastifyStatic, {
        root: join(BUILT, 'assets'),
        prefix: '/assets/',
        // Their names change with their content.
        immutable: true,
        maxAge: YEAR_S * 1000,
        index: false,
        list: false,
        decorateReply: true,
        schemaHide: true,
      });
    for (const [file, paths] of Object.entries(PAGES)) {
      for (const path of paths) {
        app.get(path, { schema: { hide: true } }, async (_request, reply) => {
          if (!isBuilt) throw serviceUnavailable(NOT_BUILT);
          return sendPage(reply, file);
        });
      }
    }
  };
}

const NOT_BUILT =
  'The pages are not built: run npm ci --include=dev && npm run build where the server is installed, and restart it';

async function sendPage(reply: FastifyReply, file: string): Promise<FastifyReply> {
  reply.header('content-security-policy', PAGE_POLICY).header('cache-control', 'no-cache');
  return reply.sendFile(file, BUILT, { cacheControl: false });
}
