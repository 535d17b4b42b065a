import { Field, ObjectType } from 'type-graphql';

@ObjectType('Brand', {
  description: 'How the product is called and looks on the pages for customers (`BRAND_FILE`).',
})
export class BrandType {
  @Field()
  productName!: string;

  @Field(() => String, { nullable: true })
  logoUrl!: string | null;

  @Field(() => String, { nullable: true, description: '`#rrggbb`. null: the colour of the pages.' })
  accentColor!: string | null;

  @Field(() => String, { nullable: true })
  supportEmail!: string | null;

  @Field(() => String, { nullable: true })
  supportUrl!: string | null;

  @Field({ description: 'Where a person upgrades: `UPGRADE_URL`, or the price page of this server.' })
  upgradeUrl!: string;

  @Field({ description: 'Whether `upgradeUrl` leads to the product itself, because `UPGRADE_URL` is set.' })
  upgradesInProduct!: boolean;
}
