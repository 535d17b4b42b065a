import type { Logger } from 'pino';
import type { Models } from '../../../models/models.js';
import { SEARCH_INDEX, searchTermsOf, type TenantDoc } from '../../../models/tenant.js';
import type { Lease } from '../../infrastructure/lease.js';

/** Stores the search terms of tenants that an earlier version stored, once, while the server already runs. */
export interface TermBackfill {
  start(): void;
  stop(): Promise<void>;
}

const PAGE = 500;

export function createTermBackfill(deps: { models: Models; log: Logger; lease: Lease }): TermBackfill {
  const { models, log, lease } = deps;
  let running: Promise<void> | null = null;
  let stopping = false;

  /** Bypasses mongoose, whose hook would publish the tenants. A tenant that is renamed meanwhile gets its terms with it. */
  async function fill(tenants: readonly TenantDoc[]): Promise<void> {
    await models.tenants.collection.bulkWrite(
      tenants.map((tenant) => ({
        updateOne: {
          filter: { _id: tenant._id as never, searchTerms: { $exists: false } },
          update: { $set: { searchTerms: searchTermsOf(tenant) } },
        },
      })),
      { ordered: false },
    );
  }

  async function run(): Promise<void> {
    let filled = 0;
    while (!stopping && (await lease.acquire())) {
      const page = await models.tenants
        .find({ searchTerms: { $exists: false } })
        .hint(SEARCH_INDEX)
        .limit(PAGE)
        .lean<TenantDoc[]>();
      if (page.length > 0) await fill(page);
      filled += page.length;
      if (page.length === PAGE) continue;
      if (filled > 0) log.info({ tenants: filled }, 'tenants.search_terms_stored');
      return lease.release();
    }
  }

  return {
    start() {
      running ??= run().catch((error: unknown) =>
        log.warn({ err: error }, 'tenants.search_terms_not_stored'),
      );
    },
    async stop() {
      stopping = true;
      await running;
    },
  };
}
