import { ALL_SCOPES } from '@continuum-billing/limits/core';
import type { Models } from '../../src/models/models.js';
import { generateKey, hashSecret, type SecretHash } from '../../src/services/accounts/keySecret.js';
import type { LoadRequest } from '../load/load.js';

/** A tenant that makes calls: it has a key, a contract with limits of its own, and one stored memory. */
export interface BusyTenant {
  id: string;
  key: string;
  keyId: string;
  keyHash: SecretHash;
  memoryId: string;
}

/** A limit that no run reaches. */
export const PLENTY = 1_000_000_000;

const CONTENT = 'The customer prefers to be called in the morning. '.repeat(4);

/** Between two busy tenants there is room for quiet ones: busy ones do not lie side by side in the database. */
export const BUSY_EVERY = 1_000;

export const tenantId = (n: number) => `ten_${n.toString(36).padStart(20, '0')}`;
export const busyTenantId = (n: number) => tenantId(n * BUSY_EVERY);

/** With real keys, each with a hash of its own: that takes 20 ms a tenant. */
export function makeBusyTenants(count: number): Promise<BusyTenant[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const { key, keyId, secret } = generateKey('test');
      const memoryId = `mem_${n.toString(16).padStart(24, '0')}`;
      return { id: busyTenantId(n), key, keyId, keyHash: await hashSecret(secret), memoryId };
    }),
  );
}

/**
 * Stores them as the server would have.
 * @param callsPerDay the limit of each; their other limits are far away
 */
export async function storeBusyTenants(
  models: Models,
  tenants: readonly BusyTenant[],
  callsPerDay = PLENTY,
): Promise<void> {
  const createdAt = new Date();
  const limits = {
    apiCallsPerDay: callsPerDay,
    apiCallsPerMinute: PLENTY,
    concurrentRequests: PLENTY,
    maxMemories: PLENTY,
    maxStorageBytes: PLENTY * CONTENT.length,
  };
  await models.tenants.insertMany(
    tenants.map(({ id }) => ({
      _id: id,
      name: id,
      email: null,
      contract: { tier: null, limits },
      createdAt,
    })),
  );
  await models.apiKeys.insertMany(
    tenants.map(({ id, keyId, keyHash }) => {
      return { _id: keyId, tenantId: id, name: 'first key', scopes: ALL_SCOPES, ...keyHash, createdAt };
    }),
  );
  await models.memories.insertMany(
    tenants.map(({ id, memoryId }) => {
      return { _id: `${id}:${memoryId}`, tenantId: id, content: CONTENT, bytes: CONTENT.length, createdAt };
    }),
  );
}

/** The metered operation: it costs a call, and reads one memory. */
const OPERATION = 'query Memory($id: ID!) { memory(id: $id) { id content bytes createdAt } }';

/** Peers authenticate nobody: they go by the tenant's id. */
const requestOf = ({ id, key }: BusyTenant, query: string, variables?: object): LoadRequest => ({
  headers: { 'content-type': 'application/json', 'x-api-key': key, 'x-tenant': id },
  body: JSON.stringify({ query, variables }),
});

/** One request of each tenant. */
export const readMemory = (tenants: readonly BusyTenant[]): LoadRequest[] =>
  tenants.map((tenant) => requestOf(tenant, OPERATION, { id: tenant.memoryId }));

const CONSUME =
  'mutation Consume($input: ConsumeInput!) { consume(input: $input) { allowed remaining resetsAt } }';

/** One request of each tenant that charges a call. */
export const consumeCall = (tenants: readonly BusyTenant[]): LoadRequest[] =>
  tenants.map((tenant) => requestOf(tenant, CONSUME, { input: { endpoint: 'search', cost: 1 } }));

const UNMETERED = 'query Brand { brand { productName upgradeUrl } }';

/** One request of each tenant for a field that costs nothing and is answered from memory. */
export const readBrand = (tenants: readonly BusyTenant[]): LoadRequest[] =>
  tenants.map((tenant) => requestOf(tenant, UNMETERED));

/** It costs a call, and stores one memory of the same size. */
const STORE = 'mutation Store($input: StoreMemoryInput!) { storeMemory(input: $input) { id createdAt } }';

/** One request of each tenant that stores a memory. */
export const storeMemory = (tenants: readonly BusyTenant[]): LoadRequest[] =>
  tenants.map((tenant) => requestOf(tenant, STORE, { input: { content: CONTENT } }));
