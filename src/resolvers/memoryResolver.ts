import { ApiKeyScope } from '@continuum-billing/limits/core';
import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, Directive, ID, Info, Mutation, Query, Resolver } from 'type-graphql';
import { badInput } from '../common/errors.js';
import { Checked, RequiresScope } from '../directives/access.js';
import { answerOf } from '../directives/keyedFields.js';
import {
  IDEMPOTENCY_KEY_DESCRIPTION,
  IDEMPOTENCY_KEY_PROBLEM,
  isIdempotencyKey,
} from '../schema/constraints.js';
import {
  DEFAULT_MATCHES,
  MemoryConnection,
  MemoryMatchType,
  MemoryType,
  SearchMemoriesInput,
  StoreMemoryInput,
} from '../schema/memory.js';
import { connect, DEFAULT_PAGE, decodeCursor, PageArgs } from '../schema/pagination.js';
import { ownTenantId } from '../services/accounts/principal.js';
import { memoryIdOf, ofOneLength, oneOf } from '../services/memories/memories.js';
import type { Context } from './context.js';
import { toMemory } from './mappers.js';
import { readingOf, reservationIdOf } from './resolveInfo.js';

/** Stores memories, or repeats the first response to a request with the same idempotency key. */
async function stored(input: StoreMemoryInput[], context: Context, info: GraphQLResolveInfo) {
  const { memories, idempotencyKeys } = context.services;
  const tenantId = ownTenantId(context);
  const keyState = context.keyStates?.get(String(info.path.key)) ?? null;
  if (keyState && keyState.kind !== 'OPEN')
    return memories.restore(tenantId, input, await answerOf(idempotencyKeys, keyState));
  return memories.store(tenantId, input, reservationIdOf(context, info), keyState);
}

/** @throws BAD_USER_INPUT */
function checkBatch({
  input,
  idempotencyKey,
}: {
  input: StoreMemoryInput[];
  idempotencyKey?: string | null;
}) {
  ofOneLength(input);
  if (idempotencyKey != null && !isIdempotencyKey(idempotencyKey))
    throw badInput('idempotencyKey', IDEMPOTENCY_KEY_PROBLEM);
  const keyed = input.findIndex((item) => item.idempotencyKey != null);
  if (keyed >= 0)
    throw badInput(
      `input.${keyed}.idempotencyKey`,
      'is not possible here, because all memories are stored or none; use the argument idempotencyKey',
    );
}

@Resolver(() => MemoryType)
export class MemoryResolver {
  @Query(() => MemoryType, { nullable: true })
  @RequiresScope(ApiKeyScope.READ)
  @Directive('@rateLimited(cost: 1)')
  async memory(
    @Arg('id', () => ID) id: string,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MemoryType | null> {
    const reading = readingOf(context, info);
    const memory = await context.services.memories.find(ownTenantId(context), id, reading);
    return memory && toMemory(memory);
  }

  @Query(() => MemoryConnection, { description: 'Oldest first.' })
  @RequiresScope(ApiKeyScope.READ)
  @Directive('@rateLimited(cost: 1)')
  @Checked(({ after }) => decodeCursor(after))
  async memories(
    @Args() { first, after }: PageArgs,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ) {
    const query = { first: first ?? DEFAULT_PAGE, after: decodeCursor(after) };
    const page = await context.services.memories.page(ownTenantId(context), query, readingOf(context, info));
    return connect(page.memories, page.hasNextPage, after, memoryIdOf, toMemory);
  }

  @Query(() => [MemoryMatchType], { description: 'Best first.' })
  @RequiresScope(ApiKeyScope.READ)
  @Directive('@rateLimited(cost: 1)')
  @Directive('@requiresFeature(feature: SEMANTIC_SEARCH)')
  @Checked(({ input }) => oneOf(input))
  async searchMemories(
    @Arg('input') { query, embedding, first }: SearchMemoriesInput,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MemoryMatchType[]> {
    const wanted = { query, embedding, first: first ?? DEFAULT_MATCHES };
    const reading = readingOf(context, info);
    const matches = await context.services.memories.search(ownTenantId(context), wanted, reading);
    return matches.map(({ memory, score }) => ({ memory: toMemory(memory), score }));
  }

  @Mutation(() => MemoryType)
  @RequiresScope(ApiKeyScope.WRITE)
  @Directive('@rateLimited(cost: 1)')
  @Directive('@storageQuota(arg: "input")')
  async storeMemory(
    @Arg('input') input: StoreMemoryInput,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MemoryType> {
    const [memory] = await stored([input], context, info);
    return toMemory(memory as NonNullable<typeof memory>);
  }

  @Mutation(() => [MemoryType], { description: 'Stores all memories or none. Costs one call per memory.' })
  @RequiresScope(ApiKeyScope.WRITE)
  @Directive('@rateLimited(cost: 1)')
  @Directive('@storageQuota(arg: "input")')
  @Checked(checkBatch)
  async storeMemories(
    @Arg('input', () => [StoreMemoryInput]) input: StoreMemoryInput[],
    @Arg('idempotencyKey', () => String, { nullable: true, description: IDEMPOTENCY_KEY_DESCRIPTION })
    _key: string | null,
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MemoryType[]> {
    return (await stored(input, context, info)).map(toMemory);
  }

  @Mutation(() => Boolean, {
    description: 'Deletes a memory and releases its storage. false if it did not exist.',
  })
  @RequiresScope(ApiKeyScope.WRITE)
  deleteMemory(@Arg('id', () => ID) id: string, @Ctx() context: Context): Promise<boolean> {
    return context.services.memories.remove(ownTenantId(context), id);
  }

  @Mutation(() => MemoryType, {
    description: 'Lets the federation read a memory. Sharing it again is not counted.',
  })
  @RequiresScope(ApiKeyScope.WRITE)
  @Directive('@rateLimited(cost: 1)')
  @Directive('@requiresFeature(feature: FEDERATION)')
  async shareMemory(@Arg('id', () => ID) id: string, @Ctx() context: Context): Promise<MemoryType> {
    return toMemory(await context.services.memories.share(ownTenantId(context), id));
  }
}
