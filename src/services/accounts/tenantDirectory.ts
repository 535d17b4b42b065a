import { LRUCache } from 'lru-cache';
import type { Clock } from '../../common/clock.js';
import { badInput, notFound } from '../../common/errors.js';
import type { Models } from '../../models/models.js';
import type { TenantDoc } from '../../models/tenant.js';

/** A tenant, named by one of its ids. */
export type NamedTenant = { tenantId: string } | { externalId: string };

/** A tenant as a request names it. */
export interface TenantIds {
  tenantId?: string | null | undefined;
  externalId?: string | null | undefined;
}

/** Finds tenants by their ids or the operator's own ids. For every request, so it rarely reads the database. */
export interface TenantDirectory {
  /** @returns the tenant's id, or null if there is no such tenant, or it was erased */
  find(named: NamedTenant): Promise<string | null>;
  /**
   * The same for what a caller names.
   * @throws BAD_USER_INPUT unless exactly one id is given; NOT_FOUND
   */
  idOf(ids: TenantIds): Promise<string>;
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

/** @throws BAD_USER_INPUT unless exactly one id is given */
export function namedTenant({ tenantId, externalId }: TenantIds): NamedTenant {
  if (!tenantId === !externalId) throw badInput('tenantId', 'name one tenant, by tenantId or by externalId');
  return tenantId ? { tenantId } : { externalId: externalId as string };
}

export const noSuchTenant = (named: NamedTenant) =>
  notFound(
    'tenantId' in named ? `Tenant ${named.tenantId}` : `The tenant with the externalId ${named.externalId}`,
  );

const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 50_000;

export function createTenantDirectory(deps: { models: Models; clock: Clock }): TenantDirectory {
  const { models, clock } = deps;
  const tenants = new LRUCache<string, { tenantId: string; untilMs: number }>({ max: MAX_REMEMBERED });
  /** Under which names each tenant is remembered. */
  const namesOf = new LRUCache<string, ReadonlySet<string>>({
    max: MAX_REMEMBERED,
    dispose(names, _tenantId, reason) {
      if (reason === 'evict') for (const name of names) tenants.delete(name);
    },
  });
  const loads = new Map<string, Promise<string | null>>();
  let changes = 0;

  async function load(
    name: string,
    filter: { _id: string } | { externalId: string },
  ): Promise<string | null> {
    const changesBefore = changes;
    const tenant = await models.tenants
      .findOne({ ...filter, erasure: null }, { _id: 1 })
      .lean<Pick<TenantDoc, '_id'>>();
    if (!tenant) return null;
    // An unknown id is not remembered, so that a tenant is found as soon as it exists.
    if (changes === changesBefore) {
      tenants.set(name, { tenantId: tenant._id, untilMs: clock.now() + REMEMBER_MS });
      namesOf.set(tenant._id, new Set([...(namesOf.get(tenant._id) ?? []), name]));
    }
    return tenant._id;
  }

  const find: TenantDirectory['find'] = async (named) => {
    const isOwnId = 'tenantId' in named;
    const name = isOwnId ? `tenant ${named.tenantId}` : `external ${named.externalId}`;
    const known = tenants.get(name);
    if (known && known.untilMs > clock.now()) return known.tenantId;
    // A search after a change does not share one that began before it.
    const flight = `${changes} ${name}`;
    let running = loads.get(flight);
    if (!running) {
      const filter = isOwnId ? { _id: named.tenantId } : { externalId: named.externalId };
      running = load(name, filter).finally(() => loads.delete(flight));
      loads.set(flight, running);
    }
    return running;
  };

  return {
    find,
    async idOf(ids) {
      const named = namedTenant(ids);
      const tenantId = await find(named);
      if (tenantId === null) throw noSuchTenant(named);
      return tenantId;
    },
    forget(tenantId) {
      changes++;
      for (const name of namesOf.get(tenantId) ?? []) tenants.delete(name);
      namesOf.delete(tenantId);
    },
    forgetAll() {
      changes++;
      tenants.clear();
      namesOf.clear();
    },
  };
}
