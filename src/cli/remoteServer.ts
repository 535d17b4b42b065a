import { type BillingClient, createBillingClient } from '@continuum-billing/client';
import { ConfigError } from '../config/config.js';
import { UsageError } from './output.js';

/** A running server, and the key that operates it. */
export interface RemoteServer {
  url: string;
  operatorKey: string;
}

/** The environment that names a server. Empty variables count as absent. */
export const REMOTE_ENVIRONMENT = `Environment: CONTINUUM_URL, where the server is (default: PUBLIC_URL, or http://127.0.0.1:PORT), and the key of an
operator in CONTINUUM_API_KEY or ADMIN_API_KEY.`;

/** @throws ConfigError without a key */
export function remoteServer({ env }: { env: NodeJS.ProcessEnv }, url?: string): RemoteServer {
  const { CONTINUUM_URL, PUBLIC_URL, PORT } = env;
  const address = url || CONTINUUM_URL || PUBLIC_URL || `http://127.0.0.1:${PORT || 4000}`;
  if (!URL.canParse(address)) throw new ConfigError([`CONTINUUM_URL: ${address} is not a URL`]);
  // While ADMIN_API_KEY is rotated there are two, and either works.
  const [operatorKey] = (env.CONTINUUM_API_KEY || env.ADMIN_API_KEY || '').split(',');
  if (!operatorKey)
    throw new ConfigError([
      'CONTINUUM_API_KEY is missing, and ADMIN_API_KEY is missing too: set one to the key of an operator',
    ]);
  return { url: address.replace(/\/+$/, ''), operatorKey };
}

export function remoteClient(context: { env: NodeJS.ProcessEnv }): BillingClient {
  const { url, operatorKey } = remoteServer(context);
  return createBillingClient({ url, apiKey: operatorKey });
}

/** How a person names a tenant. */
export interface TenantFlags {
  externalId?: string | undefined;
}

/** @returns the arguments that name a tenant. @throws UsageError unless exactly one of both is given */
export function tenantNamed(tenantId: string | undefined, { externalId }: TenantFlags) {
  if ((tenantId === undefined) === (externalId === undefined))
    throw new UsageError('name one tenant, by its id or by --external-id');
  return tenantId === undefined ? { externalId } : { tenantId };
}
