import type { ApiKey, ApiKeyScope } from '@continuum-billing/client';
import { type Output, type Result, UsageError } from './output.js';
import { remoteClient, type TenantFlags, tenantNamed } from './remoteServer.js';

/** Tabs, so that `cut` and `awk` can read them. */
function lineOf({ id, name, scopes, expiresAt, revokedAt }: ApiKey): string {
  const state = revokedAt ? `revoked ${revokedAt}` : expiresAt ? `expires ${expiresAt}` : 'valid';
  return [id, scopes.join(','), state, name].join('\t');
}

const withSecret = ({ apiKey, secret }: { apiKey: ApiKey; secret: string }): Result => ({
  json: { apiKey, secret },
  text: `${lineOf(apiKey)}\n\nThe key, which is shown only now:\n${secret}`,
});

export interface NewKey extends TenantFlags {
  name: string;
  scope?: ApiKeyScope[];
  expiresAt?: string;
  /** A key of no tenant, by which a service of the operator decides for all of them. */
  service?: boolean;
}

export async function createKey(output: Output, tenantId: string | undefined, key: NewKey): Promise<Result> {
  const { name, scope, expiresAt, service = false, externalId } = key;
  if (service && scope) throw new UsageError('a service key has the scope ENFORCE: leave out --scope');
  if (service && (tenantId ?? externalId) !== undefined)
    throw new UsageError('a service key belongs to no tenant: name none with --service');
  const owner = service ? {} : tenantNamed(tenantId, { externalId });
  const scopes: ApiKeyScope[] | undefined = service ? ['ENFORCE'] : scope;
  return withSecret(await remoteClient(output).createApiKey({ ...owner, name, scopes, expiresAt }));
}

export async function listKeys(
  output: Output,
  tenantId: string | undefined,
  flags: TenantFlags,
): Promise<Result> {
  const named = tenantNamed(tenantId, flags);
  for (const key of await remoteClient(output).apiKeys(named)) output.item(key, lineOf(key));
  return { json: {} };
}

/** A key names its tenant by `--tenant` or `--external-id`; a service key has none. */
export interface KeyOwner extends TenantFlags {
  tenant?: string | undefined;
}

const ownerOf = ({ tenant, externalId }: KeyOwner) =>
  (tenant ?? externalId) === undefined ? {} : tenantNamed(tenant, { externalId });

export async function rotateKey(
  output: Output,
  id: string,
  { tenant, externalId, ...overlap }: KeyOwner & { overlapSeconds?: number },
): Promise<Result> {
  return withSecret(
    await remoteClient(output).rotateApiKey({ ...ownerOf({ tenant, externalId }), id, ...overlap }),
  );
}

export async function revokeKey(output: Output, id: string, owner: KeyOwner): Promise<Result> {
  const named = ownerOf(owner);
  const apiKey = await remoteClient(output).revokeApiKey({ ...named, id });
  return { json: { apiKey }, text: lineOf(apiKey) };
}
