import {
  DirectiveLocation,
  GraphQLDirective,
  type GraphQLEnumType,
  GraphQLInt,
  GraphQLNonNull,
  type GraphQLScalarType,
  GraphQLString,
} from 'graphql';

/**
 * `@rateLimited`, `@requiresFeature` and `@storageQuota`.
 * @param featureType the type of a feature's name
 */
export function directiveDefinitions(featureType: GraphQLEnumType | GraphQLScalarType): GraphQLDirective[] {
  return [
    new GraphQLDirective({
      name: 'rateLimited',
      description:
        'The field costs the tenant `cost` calls of its minute and day. With `max` and `window` (e.g. `10s`) it also has a limit of its own.',
      locations: [DirectiveLocation.FIELD_DEFINITION],
      args: {
        cost: { type: new GraphQLNonNull(GraphQLInt), defaultValue: 1 },
        max: { type: GraphQLInt },
        window: { type: GraphQLString },
      },
    }),
    new GraphQLDirective({
      name: 'requiresFeature',
      description: 'Only tenants whose tier has the feature may select it.',
      locations: [DirectiveLocation.FIELD_DEFINITION, DirectiveLocation.OBJECT],
      args: { feature: { type: new GraphQLNonNull(featureType) } },
    }),
    new GraphQLDirective({
      name: 'storageQuota',
      description:
        'The field runs only while what the argument `arg` stores fits into the tenant’s storage quotas. `resource` is the catalogue’s name for it; where it is absent, the billing server itself stores it.',
      locations: [DirectiveLocation.FIELD_DEFINITION],
      args: {
        arg: { type: new GraphQLNonNull(GraphQLString), defaultValue: 'input' },
        resource: { type: GraphQLString },
      },
    }),
  ];
}
