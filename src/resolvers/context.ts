import type { IncomingHttpHeaders } from 'node:http';
import { apiKeyOfHeaders } from '@continuum-billing/limits/core';
import { forbidden } from '../common/errors.js';
import type { BadItems } from '../directives/badItems.js';
import type { KeyStates } from '../directives/keyedFields.js';
import type { LoggedRequest } from '../directives/loggedRequest.js';
import type { TenantRef } from '../schema/tenantRef.js';
import { authorOf, ownTenantId, type Principal, requirePrincipal } from '../services/accounts/principal.js';
import type { Author } from '../services/audit/author.js';
import { createResponseBudget, type ResponseBudget } from '../services/infrastructure/responseBudget.js';
import type { Grant } from '../services/limits/tenantLimits.js';
import type { Services } from '../services/services.js';
import { createLoaders, type Loaders } from './loaders.js';

/** One request: its caller, what the limits granted it, and loaders that read each document once. */
export interface Context {
  /** In the logs, the audit log and the response header `x-request-id`. */
  readonly requestId: string;
  readonly logged: LoggedRequest;
  readonly services: Services;
  readonly loaders: Loaders;
  readonly startedAtMs: number;
  /** Bounds the size of the response. */
  readonly budget: ResponseBudget;
  /** The key or token, as the client sent it; null if it sent none. */
  readonly apiKey: string | null;
  /** The caller as the audit log names it. @throws UNAUTHENTICATED without a key */
  author(): Author;
  /** The client's IP address, as far as it can be trusted. Clients are counted by the `clientNetwork` of it. */
  readonly address: string;
  /** Must be called once the document has been parsed and validated. */
  documentRead(): Promise<void> | undefined;
  /**
   * Calls the function when the response is handed over for sending, even if the client has disconnected; immediately if
   * that has already happened.
   */
  whenOver(then: () => void): void;
  /** Set before any resolver runs, like the fields below. */
  principal: Principal | null;
  grant: Grant | null;
  badItems: BadItems | null;
  keyStates: KeyStates | null;
}

export function createContext(
  services: Services,
  request: {
    logged: LoggedRequest;
    headers: IncomingHttpHeaders;
    address: string;
    maxResponseBytes: number;
    documentRead: () => Promise<void> | undefined;
    whenOver(then: () => void): void;
  },
): Context {
  const { logged, headers, address, maxResponseBytes, documentRead, whenOver } = request;
  let loaders: Loaders | undefined;
  return {
    requestId: logged.requestId,
    logged,
    services,
    // Many requests need no loaders.
    get loaders() {
      loaders ??= createLoaders(services);
      return loaders;
    },
    startedAtMs: performance.now(),
    budget: createResponseBudget(maxResponseBytes),
    apiKey: apiKeyOfHeaders(headers),
    author() {
      return authorOf(requirePrincipal(this.principal), logged.requestId);
    },
    address,
    documentRead,
    whenOver,
    principal: null,
    grant: null,
    badItems: null,
    keyStates: null,
  };
}

/**
 * The tenant that a field is about: the tenant of the caller's key, or the one that the operator or its service names.
 * @throws FORBIDDEN for another tenant's id; BAD_USER_INPUT if the operator names none; NOT_FOUND
 */
export async function requestedTenantId(context: Context, named: TenantRef): Promise<string> {
  const { principal, loaders, services } = context;
  if (principal && principal.kind !== 'tenant') return services.tenants.idOf(named);
  const own = ownTenantId(context);
  const { tenantId, externalId } = named;
  const isOther =
    (tenantId && tenantId !== own) ||
    (externalId && (await loaders.tenant.load(own))?.externalId !== externalId);
  if (isOther)
    throw forbidden("A tenant's key can only name its own tenant; leave tenantId and externalId out");
  return own;
}
