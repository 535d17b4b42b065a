import { needGoodValue } from '@continuum-billing/limits/core';
import type {
  FastifyInstance,
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  HTTPMethods,
} from 'fastify';
import { forbidden } from '../common/errors.js';
import type { RoutedField } from '../directives/routedFields.js';
import { namedTenantId } from '../services/accounts/namedTenant.js';
import { authorOf, type Principal, requirePrincipal } from '../services/accounts/principal.js';
import type { Author } from '../services/audit/author.js';
import type { RequestSender } from '../services/limits/callerSlots.js';
import type { Services } from '../services/services.js';
import { clientAddress } from './clientAddress.js';
import { takeJson } from './jsonBody.js';
import type { LargeRequests } from './largeRequests.js';
import { argumentsOf, type QuerySchema, typedQuery, whyInvalid, withRestNames } from './restNames.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** On routes that serve a root field, it is set before the body is read. */
    sender: RequestSender;
  }
}

/** An accepted request of a route about one tenant. */
export interface TenantCall {
  tenantId: string;
  isOperator: boolean;
  author: Author;
  reply: FastifyReply;
}

interface Route<Args, Call> {
  method: HTTPMethods;
  url: string;
  schema: FastifySchema;
  /** @param args the query and the body, with names in camel case */
  run(args: Args, call: Call): Promise<unknown>;
}

/** Adds routes by which clients without GraphQL use root fields. Access, limits and constraints are those of the field. */
export interface FieldRoutes {
  /** A route about the tenant of the key, or the one that an operator or a service names. */
  ofTenant<Args>(field: string, route: Route<Args, TenantCall>): void;
  ofOperator<Args>(field: string, route: Route<Args, Omit<TenantCall, 'tenantId'>>): void;
}

export interface FieldRouteDeps {
  services: Services;
  largeRequests: LargeRequests;
  fields: (coordinate: string) => RoutedField;
  authenticate: (request: FastifyRequest) => Promise<Principal | null>;
}

/** A plugin whose routes serve root fields, with names in snake case, in requests, responses and errors. */
export const fieldRoutes =
  (
    deps: FieldRouteDeps,
    addRoutes: (routes: FieldRoutes, app: FastifyInstance) => void,
  ): FastifyPluginAsync =>
  async (app) => {
    app.decorateRequest('sender');
    // Some clients send the content type JSON even without a body.
    takeJson(app, deps.largeRequests, 'null');
    app.addHook('preValidation', async (request) => {
      needGoodValue('body', request.body);
      needGoodValue('query', request.query);
      request.query = typedQuery(request.query, request.routeOptions.schema?.querystring as QuerySchema);
    });
    app.setSchemaErrorFormatter(whyInvalid);
    app.setErrorHandler((error) => {
      throw withRestNames(error);
    });
    addRoutes(createFieldRoutes(app, deps), app);
  };

function createFieldRoutes(
  app: FastifyInstance,
  { services, fields, authenticate }: FieldRouteDeps,
): FieldRoutes {
  const externalIdOf = async (own: string) => (await services.tenants.get(own)).externalId;

  async function tenantOf(principal: Principal, args: Record<string, unknown>): Promise<string> {
    const { tenantId, externalId } = args as Record<string, string | undefined>;
    if (principal.kind !== 'tenant' && !tenantId && !externalId)
      throw forbidden(
        `The ${principal.kind} has no tenant of its own; name one by tenant_id or external_id, or use a tenant's key`,
      );
    return namedTenantId(services, principal, { tenantId, externalId }, { orErased: false, externalIdOf });
  }

  function add(
    coordinate: string,
    { method, url, schema }: Omit<Route<never, never>, 'run'>,
    handle: (
      args: Record<string, unknown>,
      principal: Principal,
      field: RoutedField,
      call: Omit<TenantCall, 'tenantId'>,
    ) => Promise<unknown>,
  ): void {
    const field = fields(coordinate);
    app.route({
      method,
      url,
      schema,
      async onRequest(request) {
        request.sender = { principal: await authenticate(request), address: clientAddress(request) };
        request.tracked.whenOver(await field.admit(request.sender));
      },
      async handler(request, reply) {
        const principal = requirePrincipal(request.sender.principal);
        const args = argumentsOf({ ...(request.query as object), ...(request.body as object | null) });
        // Some fields take these as arguments, others in an input.
        field.check({ ...args, input: args });
        const isOperator = principal.kind === 'operator';
        return handle(args, principal, field, { isOperator, author: authorOf(principal, request.id), reply });
      },
    });
  }

  return {
    ofTenant: (coordinate, route) =>
      add(coordinate, route, async (args, principal, field, call) => {
        const tenantId = await tenantOf(principal, args);
        await field.takeLimits(principal, tenantId);
        return route.run(args as never, { ...call, tenantId });
      }),
    ofOperator: (coordinate, route) =>
      add(coordinate, route, async (args, principal, field, call) => {
        await field.takeLimits(principal, null);
        return route.run(args as never, call);
      }),
  };
}
