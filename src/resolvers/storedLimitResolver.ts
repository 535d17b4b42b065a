import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import { displayNameOf } from '../catalogue/displayNames.js';
import { StoredLimit } from '../schema/tier.js';
import type { Context } from './context.js';

@Resolver(() => StoredLimit)
export class StoredLimitResolver {
  @FieldResolver(() => String, { description: 'The name of the resource for people.' })
  displayName(@Root() { resource }: StoredLimit, @Ctx() { services: { tiers } }: Context): string {
    return displayNameOf(tiers.catalogue, resource);
  }
}
