import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, Directive, ID, Info, Mutation, Query, Resolver } from 'type-graphql';
import { Checked, RequiresScope } from '../directives/access.js';
import {
  DEFAULT_MATCHES,
  MemoryConnection,
  MemoryMatchType,
  MemoryType,
  SearchMemoriesInput,
  StoreMemoryInput,
} from '../schema/memory.js';
import { connect, DEFAULT_PAGE, decodeCursor, PageArgs } from '../schema/pagination.js';
import { tenantIdOf } from '../services/identity/caller.js';
import { ApiKeyScope } from '../services/identity/principal.js';
import { LARGE_FIELDS, type MemoryReading } from '../services/memories/boundedReads.js';
import { memoryIdOf, ofOneLength, oneOf } from '../services/memories/memories.js';
import { type Context, holdIdOf } from './context.js';
import { selectedBelow } from './selection.js';
import { memoryView } from './views.js';

function readingOf({ budget }: Context, info: GraphQLResolveInfo): MemoryReading {
  const selected = selectedBelow(info);
  return { fields: LARGE_FIELDS.filter((field) => selected.has(field)), budget };
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
    const memory = await context.services.memories.find(tenantIdOf(context), id, reading);
    return memory && memoryView(memory);
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
    const page = await context.services.memories.page(tenantIdOf(context), query, readingOf(context, info));
    return connect(page.memories, page.hasNextPage, after, memoryIdOf, memoryView);
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
    const matches = await context.services.memories.search(tenantIdOf(context), wanted, reading);
    return matches.map(({ memory, score }) => ({ memory: memoryView(memory), score }));
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
    const [memory] = await context.services.memories.store(
      tenantIdOf(context),
      [input],
      holdIdOf(context, info),
    );
    return memoryView(memory as NonNullable<typeof memory>);
  }

  @Mutation(() => [MemoryType], { description: 'All or none; costs a call for each.' })
  @RequiresScope(ApiKeyScope.WRITE)
  @Directive('@rateLimited(cost: 1)')
  @Directive('@storageQuota(arg: "input")')
  @Checked(({ input }) => ofOneLength(input))
  async storeMemories(
    @Arg('input', () => [StoreMemoryInput]) input: StoreMemoryInput[],
    @Ctx() context: Context,
    @Info() info: GraphQLResolveInfo,
  ): Promise<MemoryType[]> {
    const memories = await context.services.memories.store(
      tenantIdOf(context),
      input,
      holdIdOf(context, info),
    );
    return memories.map(memoryView);
  }

  @Mutation(() => Boolean, { description: 'Frees its storage. false: there was none.' })
  @RequiresScope(ApiKeyScope.WRITE)
  deleteMemory(@Arg('id', () => ID) id: string, @Ctx() context: Context): Promise<boolean> {
    return context.services.memories.remove(tenantIdOf(context), id);
  }

  @Mutation(() => MemoryType, { description: 'Lets the federation read it. Sharing twice counts once.' })
  @RequiresScope(ApiKeyScope.WRITE)
  @Directive('@rateLimited(cost: 1)')
  @Directive('@requiresFeature(feature: FEDERATION)')
  async shareMemory(@Arg('id', () => ID) id: string, @Ctx() context: Context): Promise<MemoryType> {
    return memoryView(await context.services.memories.share(tenantIdOf(context), id));
  }
}
