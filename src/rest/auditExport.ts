import { Readable } from 'node:stream';
import type { Access } from '@continuum-billing/limits/core';
import { ApiKeyScope } from '@continuum-billing/limits/core';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { Clock } from '../common/clock.js';
import { badInput, rateLimited, serviceUnavailable } from '../common/errors.js';
import { checkAccess } from '../directives/access.js';
import { namedTenantId } from '../services/accounts/namedTenant.js';
import { OperatorRole, type Principal, requirePrincipal } from '../services/accounts/principal.js';
import { type AuditedChange, type AuditRange, forTenant } from '../services/audit/auditReader.js';
import type { CallerSlots } from '../services/limits/callerSlots.js';
import type { Services } from '../services/services.js';
import { clientAddress } from './clientAddress.js';
import * as openApi from './openApi/auditLog.js';

interface ExportQuery {
  tenantId?: string;
  externalId?: string;
  format?: 'jsonl' | 'csv';
  action?: string;
  from?: string;
  to?: string;
}

/** The same as for the field `auditLog`. */
const ACCESS: Access = { kind: 'scope', scope: ApiKeyScope.KEYS, role: OperatorRole.READ };

/** Exports of this server at the same time. Each reads a page while the client reads the one before. */
const MAX_EXPORTS = 4;
/** Fewer, so that tenants never keep the operator from reading. */
const MAX_EXPORTS_OF_TENANTS = 3;
const RETRY_S = 2;

const COLUMNS = ['id', 'at', 'actor', 'action', 'requestId', 'before', 'after'] as const;

/** The audit log as a file, oldest first. */
export function auditExport(deps: {
  services: Pick<Services, 'auditReader' | 'tenants' | 'tenantDirectory'>;
  callerSlots: CallerSlots;
  clock: Clock;
  authenticate: (request: FastifyRequest) => Promise<Principal | null>;
}): FastifyPluginAsync {
  const { auditReader } = deps.services;
  /** Who reads an export now: ids of tenants, and of the operator's keys. */
  const running = { tenants: new Set<string>(), operators: new Set<string>() };

  /**
   * A client that stops reading loses its connection, and with it its place (`STALL_TIMEOUT_SECONDS`).
   * @returns a function that frees the place
   * @throws RATE_LIMITED, SERVICE_UNAVAILABLE
   */
  function takePlace(principal: Principal): () => void {
    const [own, caller] =
      principal.kind === 'tenant'
        ? [running.tenants, principal.tenantId]
        : [running.operators, principal.keyId ?? 'ADMIN_API_KEY'];
    if (own.has(caller)) {
      const resetsAt = new Date(deps.clock.now() + RETRY_S * 1000);
      throw rateLimited(
        'Another export of yours is running: one runs at a time. Wait for it to end, or end it',
        { limit: 1, window: 'concurrent', remaining: 0, resetsAt },
        RETRY_S,
      );
    }
    const isFull =
      running.tenants.size + running.operators.size >= MAX_EXPORTS ||
      (own === running.tenants && own.size >= MAX_EXPORTS_OF_TENANTS);
    if (isFull)
      throw serviceUnavailable('Other exports of the audit log are running; try again shortly', RETRY_S);
    own.add(caller);
    return () => own.delete(caller);
  }

  /** @returns null for the operators' own */
  async function tenantOf(
    principal: Principal,
    { tenantId, externalId }: ExportQuery,
  ): Promise<string | null> {
    if (principal.kind !== 'tenant' && !tenantId && !externalId) return null;
    return namedTenantId(
      deps.services,
      principal,
      { tenantId, externalId },
      { orErased: true, externalIdOf: async (own) => (await deps.services.tenants.get(own)).externalId },
    );
  }

  return async (app) => {
    app.get<{ Querystring: ExportQuery }>(
      '/v1/audit-log',
      // A HEAD would read the whole log and send nothing.
      { schema: openApi.exportAuditLog, exposeHeadRoute: false },
      async (request, reply) => {
        const principal = requirePrincipal(await deps.authenticate(request));
        checkAccess([ACCESS], principal);
        const slot = await deps.callerSlots.take({ principal, address: clientAddress(request) }, false);
        request.tracked.whenOver(slot);
        const { format = 'jsonl', action, from, to } = request.query;
        const range = { action, from: timeOf('from', from), to: timeOf('to', to) };
        const tenantId = await tenantOf(principal, request.query);
        const leave = takePlace(principal);
        const shown = principal.kind === 'operator' ? (change: AuditedChange) => change : forTenant;
        const chunks = Readable.from(textOf(tenantId, range, format === 'csv' ? toCsv : toJsonl, shown), {
          // Each chunk is a whole page, so the next page is read when the client has taken this one.
          highWaterMark: 1,
        });
        chunks.once('close', leave);
        return reply
          .type(format === 'csv' ? 'text/csv; charset=utf-8' : 'application/jsonl; charset=utf-8')
          .header('content-disposition', `attachment; filename="audit-log.${format}"`)
          .send(chunks);
      },
    );
  };

  async function* textOf(
    tenantId: string | null,
    range: AuditRange,
    format: (changes: readonly AuditedChange[]) => string,
    shown: (change: AuditedChange) => AuditedChange,
  ): AsyncIterable<string> {
    if (format === toCsv) yield `${COLUMNS.join(',')}\r\n`;
    for await (const page of auditReader.pages(tenantId, range)) yield format(page.map(shown));
  }
}

const toJsonl = (changes: readonly AuditedChange[]): string =>
  changes.map((change) => `${JSON.stringify(change)}\n`).join('');

const toCsv = (changes: readonly AuditedChange[]): string =>
  changes
    .map(({ at, before, after, ...texts }) => {
      const cells = {
        ...texts,
        at: at.toISOString(),
        before: before && JSON.stringify(before),
        after: after && JSON.stringify(after),
      };
      return `${COLUMNS.map((column) => cellOf(cells[column])).join(',')}\r\n`;
    })
    .join('');

/** A spreadsheet would run a text that begins like a formula. */
const cellOf = (text: string | null): string =>
  `"${(text ?? '').replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;

/** @throws BAD_USER_INPUT */
function timeOf(name: string, text: string | undefined): Date | null {
  if (text === undefined) return null;
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw badInput(name, 'must be a time such as 2026-03-01T12:00:00Z');
  return time;
}
