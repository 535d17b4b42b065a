import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Clock } from '../../common/clock.js';
import { BillingError, ErrorCode, serviceUnavailable } from '../../common/errors.js';
import type { Models } from '../../models/models.js';
import type { Authenticator } from '../accounts/authenticator.js';
import { type Principal, storedKeyOf } from '../accounts/principal.js';
import type { Tenants } from '../accounts/tenants.js';
import type { AuditLog } from '../audit/auditLog.js';
import type { Author } from '../audit/author.js';
import type { Signer } from '../infrastructure/signer.js';
import {
  type CollectionName,
  type DataSubject,
  subjectOf,
  TENANT_DOCUMENTS,
  type TenantDocuments,
} from './tenantDocuments.js';

/** A link ends with its token. */
export const EXPORT_PATH = '/v1/tenants/export';

export interface ExportLink {
  url: string;
  expiresAt: Date;
}

export interface OpenedArchive {
  tenantId: string;
  /** Lines of JSON. Destroying it ends the export. */
  archive: Readable;
}

/** Everything that is stored of a tenant, as an archive to download. docs/personal-data.md has its format. */
export interface TenantExports {
  /** @param creator the link ends with its key */
  link(tenantId: string, creator: Principal, author: Author): Promise<ExportLink>;
  /**
   * Begins an archive. A link may be used again until it expires.
   * @throws NOT_FOUND for a link that is not valid or has ended; SERVICE_UNAVAILABLE while the tenant's archive or
   *   too many others are being sent
   */
  open(token: string): Promise<OpenedArchive>;
}

/** The tenant's id, the end in milliseconds since the Unix epoch, and the stored key that made the link, if one did. */
type LinkContent = [tenantId: string, expiresAtMs: number, keyId: string | null];

/** Time to begin the download, which may take longer. */
const LINK_MS = 15 * 60_000;
/** Archives that one server sends at once. */
const MAX_AT_ONCE = 4;
/** A batch is in memory as a whole, and a memory may have a megabyte. */
const BATCH = 50;
const CHUNK_CHARS = 65_536;
const FORMAT = { format: 'continuum-tenant-export', version: 1 };

export function createTenantExports(deps: {
  models: Models;
  clock: Clock;
  tenants: Pick<Tenants, 'idOf'>;
  auditLog: AuditLog;
  authenticator: Pick<Authenticator, 'endOf'>;
  signer: Signer;
  publicUrl: () => string;
}): TenantExports {
  const { models, clock, tenants, auditLog, authenticator, signer, publicUrl } = deps;
  const running = new Set<string>();

  /** Documents as they are when they are read. Each is read once, because what selects it never changes. */
  function read(name: CollectionName, { of, stages = [] }: TenantDocuments, subject: DataSubject) {
    const { collection } = models[name];
    return collection.aggregate([{ $match: of(subject) }, ...stages], { batchSize: BATCH });
  }

  async function* archiveOf(tenantId: string): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    const counts: Record<string, number> = {};
    const hashed = (text: string): Buffer => {
      const bytes = Buffer.from(text);
      hash.update(bytes);
      return bytes;
    };
    const lineOf = (collection: string, record: object) => `${JSON.stringify({ collection, record })}\n`;

    yield hashed(lineOf('archive', { ...FORMAT, tenantId, startedAt: new Date(clock.now()) }));
    const subject = await subjectOf(models, tenantId);
    for (const [name, documents] of Object.entries(TENANT_DOCUMENTS)) {
      if (typeof documents === 'string' || 'not' in documents.exported) continue;
      const { kinds, records } = documents.exported;
      for (const kind of kinds) counts[kind] ??= 0;
      let text = '';
      for await (const doc of read(name as CollectionName, documents, subject)) {
        for (const [kind, record] of records(doc)) {
          text += lineOf(kind, record);
          counts[kind] = (counts[kind] ?? 0) + 1;
        }
        if (text.length < CHUNK_CHARS) continue;
        yield hashed(text);
        text = '';
      }
      if (text) yield hashed(text);
    }
    // A tenant that was erased meanwhile has no complete archive.
    await tenants.idOf({ tenantId });
    yield Buffer.from(lineOf('end', { counts, sha256: hash.digest('hex') }));
  }

  return {
    async link(tenantId, creator, author) {
      const expiresAt = new Date(clock.now() + LINK_MS);
      await auditLog.change(author, async (_session, note) =>
        note({ tenantId, action: 'tenant.exported', before: null, after: { linkExpiresAt: expiresAt } }),
      );
      const token = signer.sign([tenantId, expiresAt.getTime(), storedKeyOf(creator)]);
      return { url: `${publicUrl()}${EXPORT_PATH}/${token}`, expiresAt };
    },

    async open(token) {
      const [tenantId, expiresAtMs, keyId] = ((await signer.read(token)) ?? ['', 0, null]) as LinkContent;
      const keyEndMs = keyId === null ? Number.POSITIVE_INFINITY : await authenticator.endOf(keyId);
      if (Math.min(expiresAtMs, keyEndMs) <= clock.now())
        throw new BillingError(
          ErrorCode.NOT_FOUND,
          'The link is wrong or has expired; call exportTenant again',
        );
      await tenants.idOf({ tenantId });
      if (running.has(tenantId) || running.size >= MAX_AT_ONCE)
        throw serviceUnavailable('This archive or several others are being sent; try again shortly');
      running.add(tenantId);
      const archive = Readable.from(archiveOf(tenantId), { objectMode: false, highWaterMark: CHUNK_CHARS });
      archive.once('close', () => running.delete(tenantId));
      return { tenantId, archive };
    },
  };
}
