import type { Clock } from '../../common/clock.js';
import { notFound, serviceUnavailable } from '../../common/errors.js';
import { randomText } from '../../common/randomText.js';
import type { Models } from '../../models/models.js';
import { searchTermsOf, type TenantContract, type TenantDoc } from '../../models/tenant.js';
import type { AuditLog } from '../audit/auditLog.js';
import { type Author, systemAuthor } from '../audit/author.js';
import { isDuplicateKey } from '../infrastructure/databaseErrors.js';
import { type ApiKeys, keyCreated, type NewKey } from './apiKeys.js';
import { namedTenant, noSuchTenant, type TenantIds } from './tenantDirectory.js';

export type { TenantContract, TenantDoc };

export interface NewTenantInput {
  externalId?: string | null | undefined;
  name: string;
  email?: string | null | undefined;
}

export interface Tenants {
  /**
   * Creates a tenant and its first key in one transaction.
   * @returns the tenant that has the external id already, unchanged and without a key; of concurrent requests one creates
   */
  create(input: NewTenantInput, author: Author): Promise<{ tenant: TenantDoc; key: NewKey | null }>;
  /**
   * Creates a tenant without a key, for callers that its identity provider identifies.
   * @returns the id of the tenant that has the external id, whether it is new or not
   */
  ensure(input: NewTenantInput & { externalId: string }): Promise<string>;
  /**
   * Creates a tenant without a key, under an id that is known from elsewhere. A repetition creates nothing.
   * @returns the id of the stored tenant: another one's if that has the external id
   */
  restore(input: NewTenantInput & { id: string }, author: Author): Promise<string>;
  /** Creates a new tenant, its first key and, if asked to, an OWNER's key in one transaction. */
  createFirst(
    input: NewTenantInput,
    withOperatorKey: boolean,
  ): Promise<{ key: NewKey; operatorKey: NewKey | null }>;
  /** The tenant, even if it was erased. */
  get(tenantId: string): Promise<TenantDoc>;
  /**
   * The id of the tenant with one of the ids.
   * @param orErased whether a tenant that was erased may be named, by its tenantId
   * @throws BAD_USER_INPUT unless exactly one is given; NOT_FOUND
   */
  idOf(ids: TenantIds, orErased?: boolean): Promise<string>;
  findMany(tenantIds: readonly string[]): Promise<(TenantDoc | null)[]>;
  /** null: there is none yet. */
  oldest(): Promise<TenantDoc | null>;
  /** @param monthlyCapCents null switches overage off */
  setOverage(tenantId: string, monthlyCapCents: number | null, author: Author): Promise<void>;
}

const FIRST_KEY = 'first key';

/** Begins with the time, so that ids are in order; eight digits of base 36 last until 2059. */
const TENANT_ID = /^ten_([\da-z]{8})[\da-z]{12}$/;

/** @param end twelve digits and lower-case letters */
export const tenantIdAt = (ms: number, end: string): string =>
  `ten_${ms.toString(36).padStart(8, '0')}${end}`;

/** @returns when the tenant of an id was created; null for a text that is not such an id */
export function tenantIdTime(id: string): Date | null {
  const time = TENANT_ID.exec(id)?.[1];
  return time === undefined ? null : new Date(Number.parseInt(time, 36));
}

export function createTenants(deps: {
  models: Models;
  clock: Clock;
  auditLog: AuditLog;
  apiKeys: ApiKeys;
  /** Called when a tenant's limits may have changed. */
  changed: (tenantId: string) => void;
}): Tenants {
  const { models, clock, auditLog, apiKeys } = deps;

  const newId = () => tenantIdAt(clock.now(), randomText(12).toLowerCase());

  async function get(tenantId: string): Promise<TenantDoc> {
    const tenant = await models.tenants.findById(tenantId).lean<TenantDoc>();
    if (!tenant) throw notFound(`Tenant ${tenantId}`);
    return tenant;
  }

  /** A tenant whose creation a failover may still roll back is not found. */
  const findByExternalId = (externalId: string) =>
    models.tenants.findOne({ externalId }).readConcern('majority').lean<TenantDoc>();

  const build = ({ externalId, name, email }: NewTenantInput, _id = newId()): TenantDoc => ({
    _id,
    ...(externalId != null && { externalId }),
    name,
    email: email ?? null,
    searchTerms: searchTermsOf({ externalId, name, email: email ?? null }),
    contract: { tier: null, limits: {} },
    createdAt: tenantIdTime(_id) ?? new Date(clock.now()),
    // The outbox relay counts it.
    unannounced: true,
  });

  /**
   * One transaction: a tenant without its first key could not authenticate.
   * @returns the tenant that is stored: another one if that has the external id
   */
  async function store(tenant: TenantDoc, keys: readonly NewKey[], author: Author): Promise<TenantDoc> {
    const { _id, externalId = null, name, email } = tenant;
    const docs = keys.map(({ apiKey }) => apiKey);
    try {
      await auditLog.change(author, async (session, note) => {
        await models.tenants.create([tenant], { session });
        if (docs.length > 0) await models.apiKeys.insertMany(docs, { session });
        note({
          tenantId: _id,
          action: 'tenant.created',
          before: null,
          after: {
            externalId,
            name,
            email,
            keyIds: docs.filter((key) => key.tenantId).map((key) => key._id),
          },
          personal: ['externalId', 'name', 'email'],
        });
        for (const key of docs) if (key.tenantId === null) note(keyCreated(key));
      });
      return tenant;
    } catch (error) {
      if (!isDuplicateKey(error)) throw error;
      // A new id exists only if a commit whose answer was lost has landed and was retried.
      if (!tenant.externalId) return tenant;
      const known = await findByExternalId(tenant.externalId);
      if (!known) throw serviceUnavailable('The tenant is being created; try again shortly');
      return known;
    }
  }

  return {
    get,

    async idOf(ids, orErased = false) {
      const named = namedTenant(ids);
      const filter = 'tenantId' in named ? { _id: named.tenantId } : named;
      const tenant = await models.tenants
        .findOne({ ...filter, ...(!orErased && { erasure: null }) }, { _id: 1 })
        .lean<TenantDoc>();
      if (!tenant) throw noSuchTenant(named);
      return tenant._id;
    },

    async create(input, author) {
      const known = input.externalId == null ? null : await findByExternalId(input.externalId);
      if (known) return { tenant: known, key: null };
      const tenant = build(input);
      const key = await apiKeys.build({ tenantId: tenant._id }, FIRST_KEY);
      const stored = await store(tenant, [key], author);
      return { tenant: stored, key: stored._id === tenant._id ? key : null };
    },

    async ensure(input) {
      const known = await findByExternalId(input.externalId);
      if (known) return known._id;
      const tenant = build(input);
      // A token of the identity provider asked for it.
      return (await store(tenant, [], { actor: `jwt:${tenant._id}`, requestId: null }))._id;
    },

    restore: async ({ id, ...input }, author) => (await store(build(input, id), [], author))._id,

    async createFirst(input, withOperatorKey) {
      const tenant = build(input);
      const key = await apiKeys.build({ tenantId: tenant._id }, FIRST_KEY);
      const operatorKey = withOperatorKey ? await apiKeys.build('operators', 'operator') : null;
      await store(tenant, operatorKey ? [key, operatorKey] : [key], systemAuthor('first start'));
      return { key, operatorKey };
    },

    async findMany(tenantIds) {
      const found = await models.tenants.find({ _id: { $in: tenantIds } }).lean<TenantDoc[]>();
      const byId = new Map(found.map((tenant) => [tenant._id, tenant]));
      return tenantIds.map((id) => byId.get(id) ?? null);
    },

    oldest: () => models.tenants.findOne({ erasure: null }).sort({ _id: 1 }).lean<TenantDoc>(),

    async setOverage(tenantId, monthlyCapCents, author) {
      const overage = monthlyCapCents === null ? null : { monthlyCapCents };
      await auditLog.change(author, async (session, note) => {
        const before = await models.tenants
          .findOneAndUpdate({ _id: tenantId, erasure: null }, { $set: { overage } }, { session })
          .lean<TenantDoc>();
        if (!before) throw notFound(`Tenant ${tenantId}`);
        const previous = before.overage?.monthlyCapCents ?? null;
        note({
          tenantId,
          action: 'overage.changed',
          before: { monthlyCapCents: previous },
          after: { monthlyCapCents },
        });
      });
      deps.changed(tenantId);
    },
  };
}
