import { pipeline } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { FastifyPluginAsync } from 'fastify';
import { EXPORT_PATH, type TenantExports } from '../services/tenantData/tenantExports.js';
import { exportTenant } from './openApi/billing.js';

/** Sends the archive of a tenant to anyone who has its link. */
export function exportRoute({ tenantExports }: { tenantExports: TenantExports }): FastifyPluginAsync {
  return async (app) => {
    app.get<{ Params: { token: string } }>(
      `${EXPORT_PATH}/:token`,
      { schema: exportTenant, exposeHeadRoute: false },
      async (request, reply) => {
        const { tenantId, archive } = await tenantExports.open(request.params.token);
        reply
          .type('application/x-ndjson')
          .header('content-disposition', `attachment; filename="${tenantId}.ndjson"`)
          .header('cache-control', 'no-store')
          .header('vary', 'accept-encoding');
        if (!acceptsGzip(request.headers['accept-encoding'])) return reply.send(archive);
        reply.header('content-encoding', 'gzip');
        // An error destroys both, so that the client sees a response that was cut.
        return reply.send(pipeline(archive, createGzip(), () => undefined));
      },
    );
  };
}

const acceptsGzip = (accepted = ''): boolean =>
  [accepted]
    .flat()
    .join()
    .split(',')
    .some((coding) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(coding));
