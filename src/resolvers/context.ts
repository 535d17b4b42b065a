import type { IncomingHttpHeaders } from 'node:http';
import type { GraphQLResolveInfo } from 'graphql';
import type { Grant } from '../directives/enforcement.js';
import { forbidden, unauthenticated } from '../errors.js';
import type { Principal } from '../services/identity/principal.js';
import type { Services } from '../services/services.js';
import { createLoaders, type Loaders } from './loaders.js';

/** One request: who calls, what was granted, and loaders that read each thing once. */
export interface Context {
  readonly services: Services;
  readonly loaders: Loaders;
  readonly startedAtMs: number;
  /** As the client sent it; null: none. */
  readonly apiKey: string | null;
  readonly address: string;
  /** Set before anything runs. */
  principal: Principal | null;
  grant: Grant | null;
}

export function createContext(services: Services, headers: IncomingHttpHeaders, address: string): Context {
  return {
    services,
    loaders: createLoaders(services),
    startedAtMs: performance.now(),
    apiKey: apiKeyOf(headers),
    address,
    principal: null,
    grant: null,
  };
}

/** `x-api-key: <key>` or `Authorization: Bearer <key>`. */
export function apiKeyOf(headers: IncomingHttpHeaders): string | null {
  const own = headers['x-api-key'];
  if (typeof own === 'string' && own) return own;
  const bearer = /^Bearer\s+(\S+)\s*$/i.exec(headers.authorization ?? '');
  return bearer?.[1] ?? null;
}

/** The tenant whose key it is. */
export function tenantIdOf({ principal }: Pick<Context, 'principal'>): string {
  if (!principal) throw unauthenticated('An API key is needed');
  if (principal.kind === 'operator')
    throw forbidden("The operator has no tenant of its own; use a tenant's key");
  return principal.tenantId;
}

/** The storage that was held for the root field under way. */
export function holdIdOf({ grant }: Context, { path }: GraphQLResolveInfo): string {
  const hold = grant?.holds.get(String(path.key));
  if (!hold) throw new Error(`No storage is held for ${String(path.key)}`);
  return hold.id;
}
