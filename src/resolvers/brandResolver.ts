import { Ctx, Query, Resolver } from 'type-graphql';
import { PublicAccess } from '../directives/access.js';
import { BrandType } from '../schema/brand.js';
import type { Context } from './context.js';

@Resolver()
export class BrandResolver {
  @Query(() => BrandType, {
    description: "The product's name, logo and colour, and where its customers find support.",
  })
  @PublicAccess()
  brand(@Ctx() { services: { brand } }: Context): BrandType {
    return brand.read();
  }
}
