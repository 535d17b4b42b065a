import { Arg, Ctx, Mutation, Resolver } from 'type-graphql';
import { Checked, ServiceOnly } from '../directives/access.js';
import {
  EndedOperationInput,
  FreeStorageInput,
  OperationDecision,
  OperationInput,
  SetStoredInput,
} from '../schema/decision.js';
import { type Context, requestedTenantId } from './context.js';
import {
  amountsOf,
  checkEnded,
  checkOperations,
  decideOperations,
  endOperations,
  resourcesIn,
} from './decisions.js';
import { needResource, needResources } from './resources.js';

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
    return decideOperations(context.services, operations, context.principal);
  }

  @Mutation(() => Boolean, {
    description:
      'Returns what up to 500 operations of other services did not use. Each receipt works once, so that repeating the request changes nothing. If a receipt is forged, expired or belongs to another key, or more is returned than it covers, the whole request is rejected.',
  })
  @ServiceOnly()
  @Checked(checkEnded)
  async endOperations(
    @Arg('operations', () => [EndedOperationInput]) operations: EndedOperationInput[],
    @Ctx() context: Context,
  ): Promise<boolean> {
    await endOperations(context.services, operations, context.principal);
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
    needResources('input.amounts', amounts, resourcesIn(context.services));
    await context.services.storage.freeExternal(await requestedTenantId(context, named), amountsOf(amounts));
    return true;
  }

  @Mutation(() => Boolean, {
    description:
      'Sets how much of a resource other services have stored, after a count. `bytes` is the total of all services, without what this server stores.',
  })
  @ServiceOnly()
  async setStored(
    @Arg('input') { resource, amount, ...named }: SetStoredInput,
    @Ctx() context: Context,
  ): Promise<boolean> {
    needResource('input.resource', resource, resourcesIn(context.services));
    const tenantId = await requestedTenantId(context, named);
    await context.services.storage.setExternal(tenantId, resource, amount);
    return true;
  }
}
