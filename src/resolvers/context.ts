import type { BadItems } from '../directives/badItems.js';
import type { CheckedOperation } from '../directives/enforcementPlugin.js';
import type { KeyStates } from '../directives/keyedFields.js';
import type { LiveContext, ReceivedOperation } from '../directives/liveOperations.js';
import type { LoggedRequest } from '../directives/loggedRequest.js';
import type { TenantRef } from '../schema/tenantRef.js';
import type { Credential } from '../services/accounts/callers.js';
import { namedTenantId } from '../services/accounts/namedTenant.js';
import { authorOf, type Principal, requirePrincipal } from '../services/accounts/principal.js';
import type { Author } from '../services/audit/author.js';
import { createResponseBudget, type ResponseBudget } from '../services/infrastructure/responseBudget.js';
import type { Grant } from '../services/limits/tenantLimits.js';
import type { Services } from '../services/services.js';
import { createLoaders, type Loaders } from './loaders.js';

/** What is known of an operation before it runs. */
export interface ReceivedRequest extends ReceivedOperation {
  /** Absent: the client gets one response, and cannot subscribe. */
  live?: LiveContext;
}

/** One request: its caller, what the limits granted it, and loaders that read each document once. */
export class Context {
  /** In the logs, the audit log and the response header `x-request-id`. */
  readonly requestId: string;
  readonly logged: LoggedRequest;
  readonly startedAtMs = performance.now();
  /** Bounds the size of the response. */
  readonly budget: ResponseBudget;
  /** null if the client sent none. */
  readonly credential: Credential | null;
  /** The client's IP address, as far as it can be trusted. Clients are counted by the `clientNetwork` of it. */
  readonly address: string;
  /** Must be called once the document has been parsed and validated. */
  readonly documentRead: () => Promise<void> | undefined;
  /**
   * Calls the function when the response is handed over for sending, even if the client has disconnected; immediately if
   * that has already happened.
   */
  readonly whenOver: (then: () => void) => void;
  /** null: the client gets one response, and cannot subscribe. */
  readonly live: LiveContext | null;
  /** Set before any resolver runs, like the fields below. */
  principal: Principal | null = null;
  checked: CheckedOperation | null = null;
  grant: Grant | null = null;
  badItems: BadItems | null = null;
  keyStates: KeyStates | null = null;
  private createdLoaders: Loaders | null = null;

  constructor(
    readonly services: Services,
    request: ReceivedRequest,
  ) {
    this.requestId = request.logged.requestId;
    this.logged = request.logged;
    this.budget = createResponseBudget(request.maxResponseBytes);
    this.credential = request.credential;
    this.address = request.address;
    this.documentRead = request.documentRead;
    this.whenOver = request.whenOver;
    this.live = request.live ?? null;
  }

  /** For one message of a subscription: it has loaders and a size of its own, and reads what is true now. */
  forMessage(): Context {
    const context = new Context(this.services, {
      logged: this.logged,
      credential: this.credential,
      address: this.address,
      maxResponseBytes: this.budget.maxBytes,
      documentRead: () => undefined,
      whenOver: (then) => then(),
    });
    context.principal = this.principal;
    return context;
  }

  /** Created when they are first used, because many requests need none. */
  get loaders(): Loaders {
    this.createdLoaders ??= createLoaders(this.services);
    return this.createdLoaders;
  }

  /** The caller as the audit log names it. @throws UNAUTHENTICATED without a key */
  author(): Author {
    return authorOf(requirePrincipal(this.principal), this.requestId);
  }
}

/**
 * The tenant that a field is about: the tenant of the caller's key, or the one that the operator or its service names.
 * @param options.orErased whether the operator may name a tenant that was erased
 * @throws FORBIDDEN for another tenant's id; BAD_USER_INPUT if the operator names none; NOT_FOUND
 */
export async function requestedTenantId(
  context: Context,
  named: TenantRef,
  { orErased = false }: { orErased?: boolean } = {},
): Promise<string> {
  const { services, loaders } = context;
  const externalIdOf = async (own: string) => (await loaders.tenant.load(own))?.externalId;
  return namedTenantId(services, requirePrincipal(context.principal), named, { orErased, externalIdOf });
}
