import type { IncomingHttpHeaders } from 'node:http';
import { badInput, forbidden } from '../common/errors.js';
import type { BadItems } from '../directives/badItems.js';
import type { KeyStates } from '../directives/keyedFields.js';
import { apiKeyOf, ownTenantId, type Principal } from '../services/accounts/principal.js';
import { createResponseBudget, type ResponseBudget } from '../services/infrastructure/responseBudget.js';
import type { Grant } from '../services/limits/tenantLimits.js';
import type { Services } from '../services/services.js';
import { createLoaders, type Loaders } from './loaders.js';

/** One request: its caller, what the limits granted it, and loaders that read each document once. */
export interface Context {
  /** In the logs, the audit log and the response header `x-request-id`. */
  readonly requestId: string;
  readonly services: Services;
  readonly loaders: Loaders;
  readonly startedAtMs: number;
  /** Bounds the size of the response. */
  readonly budget: ResponseBudget;
  /** The key, as the client sent it; null if it sent none. */
  readonly apiKey: string | null;
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
    id: string;
    headers: IncomingHttpHeaders;
    address: string;
    maxResponseBytes: number;
    documentRead: () => Promise<void> | undefined;
    whenOver(then: () => void): void;
  },
): Context {
  const { id, headers, address, maxResponseBytes, documentRead, whenOver } = request;
  let loaders: Loaders | undefined;
  return {
    requestId: id,
    services,
    // Many requests need no loaders.
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
    keyStates: null,
  };
}

/**
 * The tenant that a field is about: the tenant of the caller's key, or the one that the operator names.
 * @throws FORBIDDEN for another tenant's id; BAD_USER_INPUT if the operator names none; NOT_FOUND
 */
export async function requestedTenantId(
  context: Context,
  tenantId: string | null | undefined,
): Promise<string> {
  if (context.principal?.kind === 'operator') {
    if (!tenantId) throw badInput('tenantId', "is required with the operator's key");
    return (await context.services.tenants.get(tenantId))._id;
  }
  const own = ownTenantId(context);
  if (tenantId && tenantId !== own)
    throw forbidden("A tenant's key can only name its own tenant; leave tenantId out");
  return own;
}
