import { LRUCache } from 'lru-cache';
import type { Clock } from '../../common/clock.js';
import type { Models } from '../../models/models.js';
import type { TenantDoc } from '../../models/tenant.js';

/** Finds tenants by the operator's own ids. For every request, so it rarely reads the database. */
export interface TenantDirectory {
  /** @returns the tenant's id, or null if no tenant has the external id */
  find(externalId: string): Promise<string | null>;
  /** The same, without a read. undefined: not known. */
  peek(externalId: string): string | undefined;
  /** Call this when the tenant has changed. */
  forget(tenantId: string): void;
  forgetAll(): void;
}

export const MAX_EXTERNAL_ID_LENGTH = 200;

/** Printable characters, with none of the white space at its ends that copying adds. */
export const isExternalId = (value: unknown): value is string =>
  typeof value === 'string' &&
  value.length <= MAX_EXTERNAL_ID_LENGTH &&
  /^[^\s\p{C}](?:[^\p{C}]*[^\s\p{C}])?$/u.test(value);

const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 50_000;

export function createTenantDirectory({ models, clock }: { models: Models; clock: Clock }): TenantDirectory {
  const tenants = new LRUCache<string, { tenantId: string; untilMs: number }>({ max: MAX_REMEMBERED });
  const externalIds = new LRUCache<string, string>({ max: MAX_REMEMBERED });
  const loads = new Map<string, Promise<string | null>>();
  let changes = 0;

  async function load(externalId: string): Promise<string | null> {
    const changesBefore = changes;
    const tenant = await models.tenants.findOne({ externalId }, { _id: 1 }).lean<Pick<TenantDoc, '_id'>>();
    // An unknown id is not remembered, so that a tenant is found as soon as it exists.
    if (tenant && changes === changesBefore) {
      tenants.set(externalId, { tenantId: tenant._id, untilMs: clock.now() + REMEMBER_MS });
      externalIds.set(tenant._id, externalId);
    }
    return tenant?._id ?? null;
  }

  function peek(externalId: string): string | undefined {
    const known = tenants.get(externalId);
    return known && known.untilMs > clock.now() ? known.tenantId : undefined;
  }

  return {
    peek,
    async find(externalId) {
      const known = peek(externalId);
      if (known !== undefined) return known;
      // A search after a change does not share one that began before it.
      const flight = `${changes} ${externalId}`;
      let running = loads.get(flight);
      if (!running) {
        running = load(externalId).finally(() => loads.delete(flight));
        loads.set(flight, running);
      }
      return running;
    },
    forget(tenantId) {
      changes++;
      const externalId = externalIds.get(tenantId);
      if (externalId !== undefined) tenants.delete(externalId);
      externalIds.delete(tenantId);
    },
    forgetAll() {
      changes++;
      tenants.clear();
      externalIds.clear();
    },
  };
}
