import type { IncomingHttpHeaders } from 'node:http';
import { type GraphQLResolveInfo, Kind } from 'graphql';
import { badInput, forbidden } from '../common/errors.js';
import type { BadItem, BadItems } from '../directives/badItems.js';
import type { Claims } from '../directives/keyedFields.js';
import { apiKeyOf, ownTenantId } from '../services/accounts/caller.js';
import type { Principal } from '../services/accounts/principal.js';
import { createResponseBudget, type ResponseBudget } from '../services/infrastructure/responseBudget.js';
import type { Grant } from '../services/limits/tenantLimits.js';
import type { Services } from '../services/services.js';
import { createLoaders, type Loaders } from './loaders.js';

/** One request: who calls, what was granted, and loaders that read each thing once. */
export interface Context {
  readonly services: Services;
  readonly loaders: Loaders;
  readonly startedAtMs: number;
  /** Of the response. */
  readonly budget: ResponseBudget;
  /** As the client sent it; null: none. */
  readonly apiKey: string | null;
  /** Of the client, as far as it can be believed; clients are counted by `clientNetwork` of it. */
  readonly address: string;
  /** To be called when the document is parsed and valid. */
  documentRead(): Promise<void> | undefined;
  /** Calls it when the response is handed over to be sent, also if its client has gone; at once, if that has happened. */
  whenOver(then: () => void): void;
  /** Set before anything runs. */
  principal: Principal | null;
  grant: Grant | null;
  badItems: BadItems | null;
  claims: Claims | null;
}

export function createContext(
  services: Services,
  request: {
    headers: IncomingHttpHeaders;
    address: string;
    maxResponseBytes: number;
    documentRead: () => Promise<void> | undefined;
    whenOver(then: () => void): void;
  },
): Context {
  const { headers, address, maxResponseBytes, documentRead, whenOver } = request;
  let loaders: Loaders | undefined;
  return {
    services,
    // Many requests need none.
    get loaders() {
      loaders ??= createLoaders(services);
      return loaders;
    },
    startedAtMs: performance.now(),
    budget: createResponseBudget(maxResponseBytes),
    apiKey: apiKeyOf(headers),
    address,
    documentRead,
    whenOver,
    principal: null,
    grant: null,
    badItems: null,
    claims: null,
  };
}

/** @returns the items of a list argument as they were sent, with those that did not fit their type in their places */
export function allItems<T>(
  { badItems }: Context,
  { fieldNodes }: GraphQLResolveInfo,
  argument: string,
  fitting: readonly T[],
): (T | BadItem)[] {
  const value = fieldNodes[0]?.arguments?.find(({ name }) => name.value === argument)?.value;
  const bad = value?.kind === Kind.VARIABLE ? badItems?.get(value.name.value) : undefined;
  if (!bad) return [...fitting];
  const rest = fitting.values();
  return Array.from({ length: fitting.length + bad.size }, (_, i) => bad.get(i) ?? (rest.next().value as T));
}

/** The storage that was held for the root field under way. */
export function holdIdOf({ grant }: Context, { path }: GraphQLResolveInfo): string {
  const hold = grant?.holds.get(String(path.key));
  if (!hold) throw new Error(`No storage is held for ${String(path.key)}`);
  return hold.id;
}

/**
 * The tenant that a field is about: the key's own, or the one that the operator names.
 * @throws FORBIDDEN for another tenant's id; BAD_USER_INPUT when the operator names none; NOT_FOUND
 */
export async function requestedTenantId(
  context: Context,
  tenantId: string | null | undefined,
): Promise<string> {
  if (context.principal?.kind === 'operator') {
    if (!tenantId) throw badInput('tenantId', "is needed with the operator's key");
    return (await context.services.tenants.get(tenantId))._id;
  }
  const own = ownTenantId(context);
  if (tenantId && tenantId !== own) throw forbidden('A key may name its own tenant only');
  return own;
}
