import {
  type CallerIdentity,
  MAX_NAME_LENGTH,
  MAX_OPERATIONS,
  parseWindow,
  type RemoteDecision,
  type RemoteOperation,
} from '@continuum-billing/limits/core';
import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { badInput } from '../common/errors.js';
import { Checked, ServiceOnly } from '../directives/access.js';
import {
  EndedOperationInput,
  FreeStorageInput,
  OperationDecision,
  OperationInput,
  SetStoredInput,
  type StoredAmountInput,
} from '../schema/decision.js';
import type { ChargeInput } from '../schema/metering.js';
import { type Context, requestedTenantId } from './context.js';
import { needOnce, needResource, needResources } from './resources.js';

/** @throws BAD_USER_INPUT */
function checkLength(argument: string, items: readonly unknown[]): void {
  if (items.length > MAX_OPERATIONS)
    throw badInput(
      argument,
      `has ${items.length} items, at most ${MAX_OPERATIONS} are allowed; split the request`,
    );
}

const amountsOf = (amounts: readonly StoredAmountInput[]): Record<string, number> =>
  Object.fromEntries(amounts.map(({ resource, amount }) => [resource, amount]));

/** The resources that other services may store. */
const resourcesIn = ({ services }: Context): string[] => ['bytes', ...services.tiers.catalogue.resources];

/** @throws BAD_USER_INPUT */
function checkOperations({ operations }: { operations: OperationInput[] }): void {
  checkLength('operations', operations);
  for (const [i, { apiKey, tenantId, externalId, fieldLimits, stores }] of operations.entries()) {
    if ([apiKey, tenantId, externalId].filter((name) => name != null).length !== 1)
      throw badInput(`operations.${i}`, 'name the caller by one of apiKey, tenantId and externalId');
    needOnce(
      `operations.${i}.stores`,
      stores.map(({ rootField }) => rootField),
    );
    const wrong = fieldLimits.find(({ window }) => parseWindow(window) === null);
    if (wrong)
      throw badInput(
        `operations.${i}.fieldLimits`,
        `must have windows from 1ms to 31d, such as 10s; not ${wrong.window}`,
      );
  }
}

/** A receipt is valid only for the key that received it. */
const serviceOf = ({ principal }: Context): string =>
  principal?.kind === 'service' ? principal.keyId : 'operator';

const chargesOf = (charges: readonly ChargeInput[]) =>
  charges.map(({ endpoint, cost }) => ({ endpoint, calls: cost }));

function callerOf({ apiKey, tenantId, externalId }: OperationInput): CallerIdentity {
  if (apiKey != null) return { apiKey };
  return tenantId != null ? { tenantId } : { externalId: externalId as string };
}

function operationOf(input: OperationInput): RemoteOperation {
  const { address, scope, stores, features, fieldLimits, charges } = input;
  return {
    ...callerOf(input),
    address: address?.slice(0, MAX_NAME_LENGTH) ?? null,
    scope,
    cost: {
      charges: chargesOf(charges),
      features,
      fieldLimits,
      stores: new Map(
        stores.map(({ rootField, amounts }) => [rootField, { amounts: amountsOf(amounts), external: true }]),
      ),
    },
  };
}

function toDecision(decision: RemoteDecision): OperationDecision {
  const headers = Object.fromEntries(decision.headers);
  if (!decision.allowed) {
    const { code, message, details, headers: ownHeaders } = decision.error;
    const error = { code, message, details, headers: ownHeaders };
    const nothing = {
      tenantId: null,
      tier: null,
      concurrentRequests: null,
      chargedAt: null,
      holds: [],
      receipt: null,
    };
    return { allowed: false, error, headers, ...nothing };
  }
  const { tenantId, tier, concurrentRequests, chargedAtMs, reservationIds, receipt } = decision;
  return {
    allowed: true,
    error: null,
    tenantId,
    tier,
    concurrentRequests,
    chargedAt: chargedAtMs === null ? null : new Date(chargedAtMs),
    holds: [...reservationIds].map(([rootField, id]) => ({ rootField, id })),
    receipt,
    headers,
  };
}

/** Serves the library in other services, which enforces limits in their own schemas. */
@Resolver()
export class DecisionResolver {
  @Mutation(() => [OperationDecision], {
    description:
      'Decides up to 500 operations of other services, each by itself and in one atomic step. The decisions are in the order of the operations. A rejected operation is not an error.',
  })
  @ServiceOnly()
  @Checked(checkOperations)
  async decideOperations(
    @Arg('operations', () => [OperationInput]) operations: OperationInput[],
    @Ctx() context: Context,
  ): Promise<OperationDecision[]> {
    const { services } = context;
    const known = resourcesIn(context);
    for (const [i, { stores }] of operations.entries()) {
      for (const [j, { amounts }] of stores.entries())
        needResources(`operations.${i}.stores.${j}.amounts`, amounts, known);
    }
    return (await services.remoteDecisions.decide(operations.map(operationOf), serviceOf(context))).map(
      toDecision,
    );
  }

  @Mutation(() => Boolean, {
    description:
      'Returns what up to 500 operations of other services did not use. Each receipt works once, so that repeating the request changes nothing. If a receipt is forged, expired or belongs to another key, or more is returned than it covers, the whole request is rejected.',
  })
  @ServiceOnly()
  @Checked(({ operations }) => checkLength('operations', operations))
  async endOperations(
    @Arg('operations', () => [EndedOperationInput]) operations: EndedOperationInput[],
    @Ctx() context: Context,
  ): Promise<boolean> {
    await context.services.remoteDecisions.end(
      operations.map(({ receipt, unearned, keptHolds, releasedHolds }) => ({
        receipt,
        returned: chargesOf(unearned),
        committedIds: keptHolds,
        releasedIds: releasedHolds,
      })),
      serviceOf(context),
    );
    return true;
  }

  @Mutation(() => Boolean, {
    description:
      'Releases the storage of what another service has deleted. Do not repeat this request: each one releases the amounts again.',
  })
  @ServiceOnly()
  async freeStorage(
    @Arg('input') { amounts, ...named }: FreeStorageInput,
    @Ctx() context: Context,
  ): Promise<boolean> {
    needResources('input.amounts', amounts, resourcesIn(context));
    await context.services.storage.freeExternal(await requestedTenantId(context, named), amountsOf(amounts));
    return true;
  }

  @Mutation(() => Boolean, {
    description:
      'Sets how much of a resource other services have stored, after a count. `bytes` is the total of all services, without memories.',
  })
  @ServiceOnly()
  async setStored(
    @Arg('input') { resource, amount, ...named }: SetStoredInput,
    @Ctx() context: Context,
  ): Promise<boolean> {
    needResource('input.resource', resource, resourcesIn(context));
    const tenantId = await requestedTenantId(context, named);
    await context.services.storage.setExternal(tenantId, resource, amount);
    return true;
  }
}
