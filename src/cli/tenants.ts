import type { Tenant } from '@continuum-billing/client';
import { CommandError, type Output, type Result, UsageError } from './output.js';
import { remoteClient, type TenantFlags, tenantNamed } from './remoteServer.js';
import { table } from './table.js';

/** The server's own limit. */
const PAGE = 100;

/** @returns the lines of one tenant, for a person */
function tenantText({ id, externalId, name, email, tier, createdAt, suspendedAt }: Tenant): string {
  return table([
    ['id', id],
    ['name', name],
    ['e-mail', email ?? '-'],
    ['external id', externalId ?? '-'],
    ['tier', tier.name],
    ['created', createdAt],
    ...(suspendedAt ? [['suspended', suspendedAt]] : []),
  ]);
}

const oneTenant = (tenant: Tenant): Result => ({ json: { tenant }, text: tenantText(tenant) });

export interface NewTenant {
  name: string;
  email?: string;
  externalId?: string;
}

/** The key is printed here and never again. */
export async function createTenant(output: Output, input: NewTenant): Promise<Result> {
  const { tenant, apiKey } = await remoteClient(output).createTenant(input);
  const key = apiKey
    ? `\nThe API key, which is shown only now:\n${apiKey.secret}`
    : '\nThis external id had a tenant already: nothing was changed, and no key was made.';
  return {
    json: { tenant, apiKey },
    text: `${tenant ? tenantText(tenant) : 'The tenant could not be read.'}\n${key}`,
  };
}

export interface TenantSearch {
  search?: string;
  tier?: string;
  limit: number;
  after?: string;
}

export async function listTenants(
  output: Output,
  { limit, after, ...filter }: TenantSearch,
): Promise<Result> {
  const client = remoteClient(output);
  let cursor: string | null = after ?? null;
  let hasMore = true;
  for (let left = limit; left > 0 && hasMore; ) {
    const page = await client.tenants({ ...filter, first: Math.min(left, PAGE), after: cursor });
    for (const { node } of page.edges) output.item(node, lineOf(node));
    left -= page.edges.length;
    cursor = page.pageInfo.endCursor ?? cursor;
    hasMore = page.pageInfo.hasNextPage;
  }
  const more = hasMore ? { text: `There are more: --after ${cursor}` } : {};
  return { json: { endCursor: cursor, hasMore }, ...more };
}

/** Tabs, so that `cut` and `awk` can read them. */
const lineOf = ({ id, tier, externalId, name, suspendedAt }: Tenant): string =>
  [id, tier.name, externalId ?? '-', name, ...(suspendedAt ? ['suspended'] : [])].join('\t');

/** The tenant with what it pays for and what it has used today. */
export async function showTenant(
  output: Output,
  id: string | undefined,
  flags: TenantFlags,
): Promise<Result> {
  const named = tenantNamed(id, flags);
  const client = remoteClient(output);
  const [tenant, subscription, usage, storage] = await Promise.all([
    client.tenant({ id: named.tenantId, externalId: named.externalId }),
    client.subscription(named),
    client.usage(named),
    client.storage(named),
  ]);
  const { status, currentPeriodEnd, cancelAtPeriodEnd } = subscription;
  const until = currentPeriodEnd ? `, ${cancelAtPeriodEnd ? 'ends' : 'renews'} ${currentPeriodEnd}` : '';
  const limit = usage.limit === null ? '' : ` of ${usage.limit}`;
  const text = `${tenantText(tenant)}\n${table([
    ['subscription', `${status}${until}`],
    ['calls today', `${usage.apiCalls}${limit}`],
  ])}`;
  return { json: { tenant, subscription, usage, storage }, text };
}

export interface TenantChanges {
  name?: string;
  email?: string;
  setExternalId?: string;
}

export async function updateTenant(
  output: Output,
  id: string | undefined,
  { externalId, setExternalId, ...changes }: TenantFlags & TenantChanges,
): Promise<Result> {
  const named = tenantNamed(id, { externalId });
  const all = { ...changes, ...(setExternalId !== undefined && { externalId: setExternalId }) };
  if (Object.keys(all).length === 0)
    throw new UsageError('say what to change: --name, --email or --set-external-id');
  return oneTenant(await remoteClient(output).updateTenant({ ...named, changes: all }));
}

export async function suspendTenant(
  output: Output,
  id: string | undefined,
  { reason, ...flags }: TenantFlags & { reason?: string },
): Promise<Result> {
  const named = tenantNamed(id, flags);
  return oneTenant(await remoteClient(output).suspendTenant({ ...named, reason }));
}

export async function reinstateTenant(
  output: Output,
  id: string | undefined,
  flags: TenantFlags,
): Promise<Result> {
  const named = tenantNamed(id, flags);
  return oneTenant(await remoteClient(output).reinstateTenant(named));
}

/** @param confirm the tenant's id once more */
export async function eraseTenant(
  output: Output,
  id: string,
  { confirm }: { confirm?: string },
): Promise<Result> {
  if (confirm !== id)
    throw new CommandError(
      'NOT_CONFIRMED',
      `Erasing a tenant cannot be undone. To do it, add --confirm ${id}`,
    );
  const erasure = await remoteClient(output).eraseTenant({ tenantId: id });
  return { json: { erasure }, text: `${erasure.tenantId}: ${erasure.status}` };
}
